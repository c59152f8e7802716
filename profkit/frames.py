"""Frames of sampled stacks: what kind of code each one is, and where it lies, from the ways in which tools write them.

py-spy writes `name (file:line)` and, for native code, `name (library)` or `0x.. (library)`; others give name, file and
line apart, or a bare name. Code that profkit's own programs run under a scope lies in the file `<profkit>` (for
Scalene `<exec@profkit>`), in a function that is named like the scope.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from profkit.runner.attach import OUTSIDE
from profkit.torch_functions import operator_of_python

_PYTHON_FILE = re.compile(r"<.*|.*\.(?:py[wco]?|ipynb)", re.DOTALL)
_LIBRARY = re.compile(r".*\.(?:so|dll|dylib|pyd|exe|ko|map)(?:\.[\d.]+)?|(?:.*/)?[^.]+|.*/?(?:python|ld-)[\d.]+|\[.*\]")
_PLACE = re.compile(r"(?P<file>.*?)(?::(?P<line>\d+))?", re.DOTALL)
_SCOPE = re.compile(r"(?:layer|phase)/.|ProfilerStep#\d+\Z")
_OPERATOR = re.compile(r"aten::\w+\Z")
_PLACE_FRAME = re.compile(r'process \d+:"|thread \([^()]*\)(?:: |\Z)')
_OLD_LAYER = "<profkit layer>"
_OURS = ("<profkit>", "<exec@profkit>")
_MARK = re.compile(r"(?P<name>.+)_\[(?P<mark>[kjip])\]", re.DOTALL)
_LINUX = "[kernel.kallsyms]"

NAMELESS = r"^(?:0x(?:[0-9a-fA-F]+|\*)|\[unknown\])$"
"""Symbols that are none, for Arrow as for Python."""

_ADDRESS = re.compile(r"0x(?:[0-9a-fA-F]+|\*)")
_WAITING = re.compile(
    r"(?:__|__GI_+|__libc_|do_|__new_)?(?:e?poll(?:_p?wait)?|ppoll|p?select|(?:clock_)?nanosleep|accept4?|recv(?:from|msg)?"
    r"|wait(?:4|pid|id)|futex\w*|sem_(?:timed|clock)?wait\w*|sigwait\w*)(?:64|_time64)?"
    r"|(?:__)?(?:pthread_cond_\w*wait\w*|futex_abstimed_wait\w*)|(?:syscall_)?cond_wait\w*|take_gil"
)
_WAITING_PYTHON = re.compile(
    r"(?:^|/)(?:threading|selectors|subprocess|multiprocessing/(?:connection|popen_\w+|synchronize)"
    r"|concurrent/futures/thread)\.py\Z"
)
_WAITING_FUNCTIONS = frozenset({
    "wait", "_wait", "_try_wait", "join", "_wait_for_tstate_lock", "acquire", "select", "poll", "_poll", "_recv",
    "_worker",
})  # fmt: skip
_LOADING = re.compile(r"(?:^|/)torch/utils/data/")


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, the same wherever it stands in a stack; whatever is not known is None.

    Attributes:
        symbol: the name as the tool says it, scopes as profkit names them (`layer/conv1`).
        kind: python, native, operator or scope.
        file: source file.
        line: in that file.
        library: shared object or program.
    """

    symbol: str | None
    kind: str | None = None
    file: str | None = None
    line: int | None = None
    library: str | None = None


NO_FRAME = Frame(None)
"""Stands where the tool took a sample and found no stack."""


def frame_of(text: str) -> Frame:
    """Read a frame that is one text.

    >>> frame_of("CNN.forward (train.py:9)")
    Frame(symbol='CNN.forward', kind='python', file='train.py', line=9, library=None)
    >>> frame_of("0x7f89dd5803b6 (?)")
    Frame(symbol='0x7f89dd5803b6', kind='native', file=None, line=None, library=None)
    >>> frame_of("layer conv2 (<profkit layer>:7)").symbol
    'layer/conv2'
    """
    name, place = _split(text)
    if place is None:
        return _bare(text)
    if place == "?":
        return Frame(name, "native")
    match = _PLACE.fullmatch(place)
    if match is None:
        return _bare(text)
    return located(name, match["file"], int(match["line"]) if match["line"] else None)


def _split(text: str) -> tuple[str, str | None]:
    """Name and place of `name (place)`, where both may hold parentheses themselves."""
    if not text.endswith(")"):
        return text, None
    begin = text.rfind(" (")
    while begin > 0:
        place = text[begin + 2 : -1]
        if place.count("(") == place.count(")"):
            return text[:begin], place
        begin = text.rfind(" (", 0, begin)
    return text, None


def _bare(name: str) -> Frame:
    """A name without a place: what kind of code it is, only its form can tell."""
    if _SCOPE.match(name):
        return Frame(name, "scope")
    if _OPERATOR.match(name):
        return Frame(name, "operator")
    match = _MARK.fullmatch(name)
    if (match["name"] if match else name).startswith("py::"):
        return python_perf_name(match["name"] if match else name)
    if match is None:
        return Frame(name)
    return Frame(match["name"], "native", library=_LINUX if match["mark"] == "k" else None)


def python_perf_name(name: str) -> Frame:
    """Read the name that Python gives its functions for perf (`python -X perf`): `py::function:file`.

    >>> python_perf_name("py::CNN.forward:/src/train.py")
    Frame(symbol='CNN.forward', kind='python', file='/src/train.py', line=None, library=None)
    """
    symbol, _, file = name.removeprefix("py::").rpartition(":")
    return located(symbol, file, None) if symbol else Frame(name, "python")


def located(name: str | None, file: str | None, line: int | None) -> Frame:
    """Read a frame whose name, file (or library) and line stand apart.

    >>> located("conv1", "/venv/lib/libtorch_cpu.so", 0)
    Frame(symbol='conv1', kind='native', file=None, line=None, library='/venv/lib/libtorch_cpu.so')
    >>> located("aten::conv2d", "<profkit>", 1).kind
    'operator'
    """
    line = line if line and line > 0 else None
    if not file:
        return _bare(name) if name else NO_FRAME
    if file == _OLD_LAYER and name:
        return Frame("layer/" + name.removeprefix("layer ").removeprefix("layer/"), "scope", file, line)
    if name and (_SCOPE.match(name) or file in _OURS):
        return Frame(name, "operator" if _OPERATOR.match(name) else "scope", file, line)
    if _PYTHON_FILE.fullmatch(file):
        return Frame(name, "python", file, line)
    if line is None and _LIBRARY.fullmatch(file):
        return Frame(name, "native", library=file)
    return Frame(name, "native", file, line)


def entered(frame: Frame, natively: bool) -> str | None:
    """The operator that a frame which is no entry of the dispatcher stands for.

    Args:
        frame: any.
        natively: whether the recording has native frames; then these tell the operators, and Python's do not.

    Returns:
        Canonical name, None for none.
    """
    if frame.kind == "operator":
        return frame.symbol
    if natively or frame.kind != "python" or not frame.symbol or not frame.file:
        return None
    return operator_of_python(frame.symbol, frame.file)


def waits(frame: Frame) -> bool:
    """Whether whoever is in this frame itself does nothing but wait.

    >>> waits(Frame("Condition.wait", "python", "/usr/lib/python3.11/threading.py", 327))
    True
    """
    symbol = frame.symbol or ""
    if frame.kind == "native":
        return _WAITING.fullmatch(re.split("[(@]", symbol, maxsplit=1)[0]) is not None
    if frame.kind != "python" or not _WAITING_PYTHON.search(frame.file or ""):
        return False
    return symbol.rpartition(".")[2] in _WAITING_FUNCTIONS


def loads(frame: Frame) -> bool:
    """Whether this is Python code that loads data."""
    return frame.kind == "python" and _LOADING.search(frame.file or "") is not None


def is_made_at_run_time(frame: Frame) -> bool:
    """Whether this is code without a name outside every library: what a just-in-time compiler has made."""
    return (
        frame.kind == "native"
        and frame.library is None
        and frame.file is None
        and _ADDRESS.fullmatch(frame.symbol or "") is not None
    )


def is_place(name: str) -> bool:
    """Whether py-spy names a process or a thread here, and no code."""
    return _PLACE_FRAME.match(name) is not None


def is_nameless(frame: Frame) -> bool:
    """Whether this is native code that the tool found no name for."""
    return frame.kind == "native" and (frame.symbol is None or re.match(NAMELESS, frame.symbol) is not None)


def is_outside(frame: Frame) -> bool:
    """Whether this is where profkit waits for the tool: what runs below is no part of the program."""
    return frame.symbol == OUTSIDE and frame.kind == "scope"
