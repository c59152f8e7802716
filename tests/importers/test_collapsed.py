"""Collapsed stacks: of py-spy, of others, and damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.errors import InputError
from profkit.importers.collapsed import COLLAPSED
from profkit.layers import place
from profkit.profile import Recording
from tests.importers.golden import artefact, cases, expected, found, paths, read_or_refused, self_by

Load = Callable[[str], Recording]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str) -> Recording:
        path = tmp_path / "stacks.txt"
        path.write_text(text)
        return COLLAPSED.load(path)

    return load


@pytest.mark.parametrize("case", cases("collapsed"))
def test_every_column_of_a_golden_case_is_as_recorded(case: str) -> None:
    assert found(COLLAPSED, case) == expected("collapsed", case)


@pytest.mark.parametrize("case", cases("collapsed"))
def test_samples_are_the_sum_of_the_counts(case: str) -> None:
    path = artefact("collapsed", case)
    ends = [line.rpartition(" ")[2] for line in path.read_text().splitlines() if line]
    whole = sum(int(end) for end in ends if end.isdecimal())
    assert sum(self_by(COLLAPSED.load(path), "thread").values()) == whole
    assert COLLAPSED.sniff(path.read_bytes())


def test_a_line_break_within_a_command_is_mended(load: Load) -> None:
    recording = load(
        'process 12:"python -c \nx = 5\nprint("a");f(1) 7\n";thread (0x7F);f (<string>:2) 3\n'
        'process 12:"python -c \nx = 5\nprint("a");f(1) 7\n" 4\n'
    )
    assert paths(recording) == {("12/0x7F", "f"): 3, ("12", None): 4}
    assert recording.notes == ("4 of 7 samples were taken outside of every frame",)


def test_a_child_process_and_named_threads_are_places_and_no_code(load: Load) -> None:
    recording = load(
        'process 1:"a;b";process 2:"c";thread (9): busy;f (a.py:1) 2\n'
        "thread (9): busy;f (a.py:1) 3\n"
        "g (a.py:1);h (b) 1\n"
    )
    assert paths(recording) == {("2/9 busy", "f"): 2, ("9 busy", "f"): 3, (None, "g", "h"): 1}
    assert recording.run.tool == "py-spy"
    assert load("a;b 1\n").run.tool == "collapsed"


def test_scopes_of_our_own_recordings_give_layer_and_phase_the_inner_one_first() -> None:
    recording = place(COLLAPSED.load(artefact("collapsed", "layers")))
    assert self_by(recording, "layer", "phase", "operator") == {
        ("conv1", "forward", "aten::conv2d"): 3,
        ("body.0", "forward", None): 2,
        (None, "backward", "aten::conv2d"): 4,
        ("conv2", "forward", None): 1,
    }


def test_samples_in_which_profkit_waits_for_the_tool_are_left_out(load: Load) -> None:
    recording = load("m (a.py:1);profkit/attach (<profkit>:1);f (b.py:2) 5\nm (a.py:1);f (b.py:2) 3\n")
    assert paths(recording) == {(None, "m", "f"): 3}
    assert recording.notes == ("5 of 8 samples in which profkit waited for the tool were left out",)
    with pytest.raises(InputError, match="no samples"):
        load("m (a.py:1);profkit/attach (<profkit>:1) 5\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no samples"),
        ("a;b 0\n", "no samples"),
        ("a;b 1\na;b\n", "line 2: 'a;b' is no stack with a count"),
        ("a;b 1.5\n", "line 1: 'a;b 1.5' is no stack"),
        ("a;b -1\n", "line 1: 'a;b -1' is no stack"),
        ("a;;b 1\n", "line 1: a frame of the stack 'a;;b' has no name"),
        ("a;b 99999999999999999999\n", "line 1: the count 99999999999999999999 is beyond 62 bits"),
        ('process 1:"python ;f (a.py:1) 3\n', "line 1: .* is no stack with a count"),
    ],
)
def test_what_is_no_stack_is_refused_with_its_line(load: Load, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(text)
    assert caught.value.hint


def test_a_last_line_without_an_end_is_told(load: Load) -> None:
    assert "if the file was cut off" in load("a;b 1\na;c 12").notes[-1]


@given(st.integers(0, 2_900))
def test_a_file_cut_off_anywhere_is_read_or_refused_with_the_line(
    tmp_path_factory: pytest.TempPathFactory, at: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "stacks.txt"
    whole = artefact("collapsed", "py-spy-native").read_bytes()
    path.write_bytes(whole[: at % len(whole)])
    read = read_or_refused(COLLAPSED, path)
    if isinstance(read, InputError):
        assert "line" in read.message or "no samples" in read.message
    else:
        assert read.tool_totals["samples"] == sum(self_by(read, "thread").values()) > 0


@pytest.mark.parametrize(
    ("head", "is_it"),
    [
        (b"a;b 1\nc 2\n", True),
        (b"main (a.py:1);f (a.py:2) 3\n" * 4000 + b"main (a.py", True),
        (b"# a comment\n\na;b 7\n", True),
        (b"a 1\nb 2\n", False),
        (b"a;b 1\nc;d\ne;f 1\n", False),
        (b'{"a": 1}', False),
        (b"fn=main\n1;2 5\n", False),
    ],
)
def test_collapsed_stacks_are_recognised(head: bytes, is_it: bool) -> None:
    assert COLLAPSED.sniff(head[:65536]) == is_it
