"""What a frame is, from the texts of real tools."""

from __future__ import annotations

import pytest

from profkit.frames import NO_FRAME, Frame, frame_of, is_place, located, waits


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("main (train.py:20)", Frame("main", "python", "train.py", 20)),
        ("<module> (my dir (1)/x.py:3)", Frame("<module>", "python", "my dir (1)/x.py", 3)),
        ("_find (<frozen importlib._bootstrap>:7)", Frame("_find", "python", "<frozen importlib._bootstrap>", 7)),
        ("<lambda> (<string>:1)", Frame("<lambda>", "python", "<string>", 1)),
        ("malloc (libc.so.6)", Frame("malloc", "native", library="libc.so.6")),
        ("main (python3.11)", Frame("main", "native", library="python3.11")),
        ("0x7f24 (ld-linux-x86-64.so.2)", Frame("0x7f24", "native", library="ld-linux-x86-64.so.2")),
        ("0x7f24 (?)", Frame("0x7f24", "native")),
        ("at::native::(anonymous namespace)::f (libtorch_cpu.so)",
         Frame("at::native::(anonymous namespace)::f", "native", library="libtorch_cpu.so")),
        ("loop (src/loop.cpp:9)", Frame("loop", "native", "src/loop.cpp", 9)),
        ("layer/body.0 (<profkit>:1)", Frame("layer/body.0", "scope", "<profkit>", 1)),
        ("phase/backward (<exec@profkit>:1)", Frame("phase/backward", "scope", "<exec@profkit>", 1)),
        ("aten::conv2d (<profkit>:1)", Frame("aten::conv2d", "operator", "<profkit>", 1)),
        ("layer conv1 (<profkit layer>:7)", Frame("layer/conv1", "scope", "<profkit layer>", 7)),
        ("f(int)", Frame("f(int)")),
        ("layer/conv1", Frame("layer/conv1", "scope")),
        ("do_syscall_64_[k]", Frame("do_syscall_64", "native", library="[kernel.kallsyms]")),
        ("py::CNN.forward:/x/train.py_[j]", Frame("CNN.forward", "python", "/x/train.py")),
        ("py::CNN.forward:/x/train.py", Frame("CNN.forward", "python", "/x/train.py")),
    ],
)  # fmt: skip
def test_a_frame_is_read_from_its_text(text: str, frame: Frame) -> None:
    assert frame_of(text) == frame


@pytest.mark.parametrize(
    ("name", "file", "line", "frame"),
    [
        ("f", "/x/a.py", 3, Frame("f", "python", "/x/a.py", 3)),
        ("f", "/x/libz.so.1", 0, Frame("f", "native", library="/x/libz.so.1")),
        ("layer/a", "<profkit>", 1, Frame("layer/a", "scope", "<profkit>", 1)),
        ("f", None, None, Frame("f")),
        ("", "", None, NO_FRAME),
    ],
)
def test_a_frame_is_read_from_its_parts(name: str, file: str | None, line: int | None, frame: Frame) -> None:
    assert located(name, file, line) == frame


@pytest.mark.parametrize(
    ("text", "waiting"),
    [
        ("wait (threading.py:327)", True),
        ("wait (mine.py:327)", False),
        ("select (selectors.py:4)", True),
        ("pthread_cond_timedwait@@GLIBC_2.3.2 (libc.so.6)", True),
        ("epoll_wait (libc.so.6)", True),
        ("__futex_abstimed_wait_common (libc.so.6)", True),
        ("clock_nanosleep (libc.so.6)", True),
        ("wait_for_tensor (libtorch_cpu.so)", False),
        ("poll_events::run (libx.so)", False),
    ],
)
def test_who_only_waits_is_known(text: str, waiting: bool) -> None:
    assert waits(frame_of(text)) == waiting


def test_processes_and_threads_are_no_code() -> None:
    assert is_place('process 12:"python -c x')
    assert is_place("thread (0x7F)")
    assert is_place("thread (12): MainThread")
    assert not is_place("thread (threading.py:3)".replace("thread", "run_thread"))
