"""Columns of a torch trace: typed events in, numpy columns out, a chunk at a time.

Only the fields that profkit reads are decoded. Names, threads and shapes become codes as they come, so that nothing of
an event stays but a few integers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import compress
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profkit.chrome_trace.repair import decode_loosely
from profkit.columns import Ints, strings

OPERATOR, SCOPE, PYTHON, RUNTIME, KERNEL, COPY = range(6)
"""Kinds of rows; from KERNEL on they ran on a device. COPY is a kernel that moves or sets memory."""

LEFT_OUT, OTHER = -1, -2
"""Rows that repeat or mark what others say, and rows that are none of torch's."""

_KINDS: Mapping[str | None, int] = {
    "cpu_op": OPERATOR, "Operator": OPERATOR, "user_annotation": SCOPE, "python_function": PYTHON,
    "cuda_runtime": RUNTIME, "cuda_driver": RUNTIME, "hip_runtime": RUNTIME, "xpu_runtime": RUNTIME,
    "privateuse1_runtime": RUNTIME, "privateuse1_driver": RUNTIME, "mtia_runtime": RUNTIME, "glow_runtime": RUNTIME,
    "Runtime": RUNTIME, "kernel": KERNEL, "Kernel": KERNEL, "gpu_memcpy": COPY, "Memcpy": COPY, "gpu_memset": COPY,
    "Memset": COPY, "gpu_user_annotation": LEFT_OUT, "overhead": LEFT_OUT, "Trace": LEFT_OUT, "cuda_sync": LEFT_OUT,
}  # fmt: skip
_LEGACY_KINDS = {"CPU functions": OPERATOR, "CUDA functions": KERNEL}

_FLOAT_IS_EXACT_BELOW_US = 2.0**43
"""Up to here a float of microseconds is nearer to its own nanosecond than to any other."""


class Args(msgspec.Struct, gc=False):
    """What is read of an event's `args`; -1 where the file has nothing."""

    external: int | str = msgspec.field(default=-1, name="External id")
    sequence: int = msgspec.field(default=-1, name="Sequence number")
    forward_thread: int = msgspec.field(default=-1, name="Fwd thread id")
    dims: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="Input Dims")
    types: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="Input type")
    values: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="Concrete Inputs")
    correlation: int | str = -1
    allocated: int = msgspec.field(default=0, name="Bytes")
    total_allocated: int = msgspec.field(default=-1, name="Total Allocated")
    name: str = ""


class Event(msgspec.Struct, gc=False):
    """What is read of an event."""

    ph: str = ""
    cat: str | None = None
    name: str = ""
    pid: int | str = ""
    tid: int | str = ""
    ts: float = -1.0
    dur: float | None = None
    args: Args | None = None


class ExactEvent(msgspec.Struct, gc=False):
    """As `Event`, with the digits of `ts` as they stand: a float does not hold nanoseconds since 1970."""

    ph: str = ""
    cat: str | None = None
    name: str = ""
    pid: int | str = ""
    tid: int | str = ""
    ts: msgspec.Raw = msgspec.Raw()
    dur: float | None = None
    args: Args | None = None


AnyEvent: TypeAlias = Event | ExactEvent
Floats: TypeAlias = npt.NDArray[np.float64]
_NO_ARGS = Args()


class Codes(dict[Any, int]):
    """Numbers keys in the order in which they first come: `codes[key]`."""

    def __missing__(self, key: object) -> int:
        code = self[key] = len(self)
        return code


class EventColumns:
    """The rows of a trace as columns, in the order of the file.

    Attributes:
        names: code of each name.
        threads: code of each (device?, pid, tid).
        inputs: code of each (dims, types, values), as their JSON text.
        left_out: rows that repeat or mark what others say, by category.
        foreign: rows of categories that torch does not write.
        processes: names of the processes.
        events: events of any sort so far.
        incomplete: rows without a duration, not kept.
        rows: rows kept so far.
        operators: of them, operators.
        python: of them, Python functions.
        first_ns: start of the earliest row.
    """

    def __init__(self) -> None:
        self.names, self.threads, self.inputs = Codes(), Codes(), Codes()
        self.left_out: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        self.processes: set[str] = set()
        self.events = 0
        self.incomplete = 0
        self.rows = 0
        self.operators = 0
        self.python = 0
        self.first_ns = 2**63 - 1
        self._exact = False
        self._decoder = msgspec.json.Decoder(list[Event])
        self._exact_decoder = msgspec.json.Decoder(list[ExactEvent])
        self._data: dict[str, bytearray] = {}
        self._types: dict[str, np.dtype[Any]] = {}

    def decode(self, text: bytes) -> Sequence[AnyEvent]:
        """Decode a JSON list of events, with the digits of `ts` kept if they need it.

        Raises:
            msgspec.DecodeError: malformed, or a field of an unexpected type.
            UnicodeDecodeError: not UTF-8.
        """
        if not self._exact:
            events = self._decoder.decode(text)
            self._exact = max(map(attrgetter("ts"), events), default=0.0) >= _FLOAT_IS_EXACT_BELOW_US
            if not self._exact:
                return events
        return self._exact_decoder.decode(text)

    def decode_loosely(self, text: bytes) -> list[AnyEvent]:
        """Decode a JSON list of events, leaving out fields of an unexpected type.

        Raises:
            msgspec.DecodeError: malformed.
        """
        return list(decode_loosely(text, ExactEvent if self._exact else Event))

    def take(self, column: str) -> Ints:
        """A column, shape (rows,), or shape (entries,) for those of only some rows; it is forgotten here."""
        return np.frombuffer(self._data.pop(column, b""), self._types.pop(column, np.dtype(np.int32)))

    def add(self, events: Sequence[AnyEvent]) -> None:
        """Append the rows among some events."""
        self.events += len(events)
        rows = [event for event in events if event.ph == "X"]
        kind = np.array([_KINDS.get(event.cat, OTHER) for event in rows], np.int8)
        duration = np.array([event.dur for event in rows], np.float64)
        strange = (kind < 0) | ~(duration >= 0)
        if strange.any():
            self._look_at(rows, kind, duration, np.flatnonzero(strange))
            keep = (kind >= 0) & (duration >= 0)
            rows, kind, duration = list(compress(rows, keep)), kind[keep], duration[keep]
        if rows:
            self._append_rows(rows, kind, duration)
        if len(rows) < len(events):
            self._append_marks([event for event in events if event.ph != "X"])

    def _look_at(self, rows: list[AnyEvent], kind: Ints, duration: Floats, strange: Ints) -> None:
        """Count the rows that cannot be kept; files from before Kineto have no categories, but tell by the process."""
        for row in strange.tolist():
            event = rows[row]
            if event.cat is None:
                kind[row] = _LEGACY_KINDS.get(str(event.pid), OTHER)
            if kind[row] == LEFT_OUT:
                self.left_out[str(event.cat)] += 1
            elif kind[row] == OTHER:
                self.foreign[event.cat or "no category"] += 1
            elif not duration[row] >= 0:
                self.incomplete += 1

    def _append_rows(self, rows: list[AnyEvent], kind: Ints, duration: Floats) -> None:
        names, threads, inputs = self.names, self.threads, self.inputs
        args = [event.args or _NO_ARGS for event in rows]
        self._append("kind", kind)
        self._append("name", [names[event.name] for event in rows])
        if np.any(kind >= KERNEL):
            device = (kind >= KERNEL).tolist()
            self._append(
                "thread", [threads[here, event.pid, event.tid] for here, event in zip(device, rows, strict=True)]
            )
        else:
            self._append("thread", [threads[False, event.pid, event.tid] for event in rows])
        start = _start_ns(rows)
        self.first_ns = min(self.first_ns, int(start.min()))
        self._append("start", start)
        self._append("duration", _ns(duration))
        self._append("sequence", [arg.sequence for arg in args])
        self._append("forward_thread", [arg.forward_thread for arg in args])
        self._append("external", _ids([arg.external for arg in args]))
        self._append(
            "inputs",
            [
                inputs[bytes(arg.dims), bytes(arg.types), bytes(arg.values)] if arg.dims or arg.types else -1
                for arg in args
            ],
        )
        launches = np.flatnonzero(kind >= RUNTIME)
        if len(launches):
            self._append("correlation", _ids([args[row].correlation for row in launches.tolist()]))
            self._append("correlation_row", launches + self.rows)
        self.rows += len(rows)
        self.operators += int(np.count_nonzero(kind == OPERATOR))
        self.python += int(np.count_nonzero(kind == PYTHON))

    def _append_marks(self, marks: list[AnyEvent]) -> None:
        self.processes.update(event.args.name for event in marks if event.name == "process_name" and event.args)
        memory = [event for event in marks if event.name == "[memory]" and event.args]
        if memory:
            threads = self.threads
            self._append("memory_thread", [threads[False, event.pid, event.tid] for event in memory])
            self._append("memory_start", _start_ns(memory))
            self._append("memory_bytes", [event.args.allocated for event in memory if event.args])
            self._append("memory_total", [event.args.total_allocated for event in memory if event.args])

    def _append(self, column: str, values: list[int] | Ints) -> None:
        """Append to a column: a byte array, which grows in place, of the narrowest type that has been needed so far."""
        array = np.array(values, np.int64) if isinstance(values, list) else values
        kind = self._types.get(column, np.dtype(np.int32))
        if array.dtype != kind and not _fits(array, kind):
            wider = np.frombuffer(self._data.get(column, b""), kind).astype(np.int64)
            self._data[column], kind = bytearray(wider.data), np.dtype(np.int64)
        self._types[column] = kind
        self._data.setdefault(column, bytearray()).extend(array.astype(kind, copy=False).data)


def _fits(values: Ints, kind: np.dtype[Any]) -> bool:
    limits = np.iinfo(kind)
    return not len(values) or bool(values.min() >= limits.min and values.max() <= limits.max)


def _ids(values: list[int | str]) -> Ints:
    """Ids, which some writers put into quotes; one that is no number is none."""
    try:
        return np.array(values, np.int64)
    except (ValueError, OverflowError):
        return np.array(
            [int(value) if str(value).isdecimal() and int(value) < 2**63 else -1 for value in values], np.int64
        )


def _ns(microseconds: Floats) -> Ints:
    """Microseconds as the nearest nanoseconds; the whole part is taken out first, or the product would be rounded."""
    whole = np.floor(microseconds)
    return whole.astype(np.int64) * 1000 + np.rint((microseconds - whole) * 1000).astype(np.int64)


def _start_ns(events: Sequence[AnyEvent]) -> Ints:
    """Start of each event [ns], exactly as the file says it."""
    if isinstance(events[-1], Event):  # once exact, always exact
        return _ns(np.array([event.ts for event in events], np.float64))
    texts = [bytes(event.ts).decode() or "-1" if isinstance(event, ExactEvent) else repr(event.ts) for event in events]
    return exact_ns(texts)


def exact_ns(texts: Sequence[str]) -> Ints:
    """Nanoseconds of microseconds that are written in decimal, exactly.

    Args:
        texts: JSON numbers, perhaps in quotes, shape (rows,).

    Raises:
        decimal.InvalidOperation: one of them is no number.
    """
    try:
        # A decimal with three digits after the point is stored as the integer number of thousandths.
        decimals = strings(texts).cast(pa.decimal128(30, 3))
        return np.frombuffer(decimals.buffers()[1], np.int64)[: 2 * len(texts) : 2].copy()
    except pa.ArrowInvalid:
        return np.array([round(Decimal(text.strip('"')) * 1000) for text in texts], np.int64)
