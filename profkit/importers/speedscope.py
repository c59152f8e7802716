"""speedscope's own JSON format, as py-spy, speedscope and other tools write it: sampled and evented profiles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profkit import calltree, schema, stacks
from profkit.artefact import open_artefact
from profkit.columns import NONE, Ints, from_codes, from_integers, integers
from profkit.errors import InputError
from profkit.frames import NO_FRAME, Frame, frame_of, is_place, located
from profkit.importers import Importer
from profkit.profile import Recording
from profkit.run import Run

Floats = npt.NDArray[np.float64]

_NS = {"nanoseconds": 1, "microseconds": 1_000, "milliseconds": 1_000_000, "seconds": 1_000_000_000}
"""Nanoseconds of each unit of time; the others are `none` and `bytes`."""
_SORTS = ("time", "none", "bytes")
"""In order of preference, where a file mixes them."""
_MARKS = (b'"$schema": "https://www.speedscope.app', b'"$schema":"https://www.speedscope.app')
_PROFILE = re.compile(rb'"type"\s*:\s*"(?:evented|sampled)"')
_UNIT = re.compile(rb'"unit"\s*:\s*"(?:none|nanoseconds|microseconds|milliseconds|seconds|bytes)"')
_LARGEST = 2.0**62
_CUT = "write it again with the tool that recorded it; speedscope.app refuses it too"


class _Frame(msgspec.Struct, gc=False):
    name: str
    file: str | None = None
    line: int | None = None


class _Shared(msgspec.Struct):
    frames: list[_Frame]


class _Event(msgspec.Struct, gc=False):
    type: str
    frame: int
    at: float


class _Profile(msgspec.Struct):
    type: str
    unit: str
    name: str = ""
    samples: list[list[int]] = []
    weights: list[float] = []
    events: list[_Event] = []


class _File(msgspec.Struct):
    shared: _Shared
    profiles: list[_Profile]
    exporter: str | None = None


@dataclass(frozen=True)
class _Thread:
    """A profile with the names that it goes by.

    Attributes:
        profile: as the file has it.
        name: of the thread, distinct.
        where: for errors.
    """

    profile: _Profile
    name: str
    where: str


def sniff(head: bytes) -> bool:
    """Whether the file names speedscope's schema, or has profiles of its types and units."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(b"{"):
        return False
    return any(mark in text for mark in _MARKS) or bool(_PROFILE.search(text) and _UNIT.search(text))


def load(path: Path) -> Recording:
    """Read every profile of the file as a thread: samples as call paths, events as calls with their times.

    Raises:
        InputError: unreadable, cut off, events that do not nest, or nothing with a weight.
    """
    with open_artefact(path) as file:
        data = file.read()
    try:
        content = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no whole speedscope file: {error}", "is it cut off? write it again") from error
    threads, notes = _chosen(content.profiles, path)
    frames = [_read_frame(frame) for frame in content.shared.frames]
    evented = [thread for thread in threads if thread.profile.type == "evented" and thread.profile.events]
    sampled = [thread for thread in threads if thread.profile.type == "sampled" and thread.profile.samples]
    forests = [_sampled(sampled, frames, notes)] if sampled else []
    forests += [_evented(thread, frames) for thread in evented]
    table = _joined(forests)
    totals = _totals(table, threads[0].profile.unit)
    if not any(totals.values()):
        raise InputError(f"{path} has no sample and no event of any weight", "record a longer run")
    notes += stacks.notes_on(table, frames)
    return Recording(_run(content, threads, path), table, tool_totals=totals, notes=tuple(dict.fromkeys(notes)))


def _chosen(profiles: list[_Profile], path: Path) -> tuple[list[_Thread], list[str]]:
    """The profiles of one unit, and notes on it and on the others."""
    threads: dict[str, _Thread] = {}
    for number, profile in enumerate(profiles, 1):
        where = f"{path}, profile {number}" + (f" '{profile.name}'" if profile.name else "")
        if profile.type not in ("sampled", "evented") or profile.unit not in (*_NS, "none", "bytes"):
            raise InputError(
                f"{where}: type '{profile.type}' and unit '{profile.unit}' are not known",
                f"types are sampled and evented, units {', '.join(_NS)}, none and bytes",
            )
        name = profile.name or str(number)
        name = f"{name} ({number})" if name in threads else name
        threads[name] = _Thread(profile, name, where)
    if not threads:
        raise InputError(f"{path} has no profiles", "record it again")
    sort = min((_sort(thread) for thread in threads.values()), key=_SORTS.index)
    kept = [thread for thread in threads.values() if _sort(thread) == sort]
    notes = []
    if len(kept) < len(profiles):
        notes.append(f"{len(profiles) - len(kept)} of {len(profiles)} profiles have another unit and were left out")
    if sort == "none":
        notes.append("the file names no unit of its weights: they are taken as numbers of samples")
    if sort == "bytes":
        notes.append("the weights are bytes: each stack counts as one sample beside them")
    return kept, notes


def _sort(thread: _Thread) -> str:
    return "time" if thread.profile.unit in _NS else thread.profile.unit


def _read_frame(frame: _Frame) -> Frame:
    if frame.file:
        return located(frame.name, frame.file, frame.line)
    return frame_of(frame.name) if frame.name else NO_FRAME


def _sampled(threads: Sequence[_Thread], frames: Sequence[Frame], notes: list[str]) -> pa.Table:
    """All sampled profiles as one forest."""
    stack, length, number, weight, count = [], [], [], [], []
    places = {code for code, frame in enumerate(frames) if is_place(frame.symbol or "")}
    for index, thread in enumerate(threads):
        profile = thread.profile
        _check_samples(thread, len(frames))
        weights = _integers(np.array(profile.weights, np.float64), profile.unit, thread.where, notes)
        weight.append(weights)
        count.append(weights if profile.unit == "none" else np.ones(len(weights), np.int64))
        paths = [_path(sample, places) or [len(frames)] for sample in profile.samples]  # the code of NO_FRAME
        stack.append(np.fromiter(chain.from_iterable(paths), np.int64))
        length.append(np.fromiter(map(len, paths), np.int64, len(paths)))
        number.append(np.full(len(paths), index))
    costs = {"samples": np.concatenate(count)}
    sort = _sort(threads[0])
    if sort != "none":
        costs["self_ns" if sort == "time" else "allocated_bytes"] = np.concatenate(weight)
    found = stacks.Stacks(
        [*frames, NO_FRAME], np.concatenate(stack), np.concatenate(length), [thread.name for thread in threads],
        np.concatenate(number), costs,
    )  # fmt: skip
    kept, more = stacks.within_program(found)
    notes += more
    return stacks.records(kept)


def _path(sample: list[int], places: set[int]) -> list[int]:
    """The codes of code: py-spy names processes in frames too, though the profile is named like them."""
    return [code for code in sample if code not in places] if places else sample


def _check_samples(thread: _Thread, frames: int) -> None:
    """Raise InputError unless there is a weight for each sample and a frame for each code."""
    profile, where = thread.profile, thread.where
    if len(profile.samples) != len(profile.weights):
        raise InputError(f"{where} has {len(profile.samples)} samples, but {len(profile.weights)} weights", _CUT)
    for index, sample in enumerate(profile.samples):
        if sample and not 0 <= min(sample) <= max(sample) < frames:
            raise InputError(f"{where}, sample {index}: frame {max(sample)} is none of the {frames} frames", _CUT)


def _integers(values: Floats, unit: str, where: str, notes: list[str]) -> Ints:
    """Weights in ns, bytes or samples.

    Raises:
        InputError: negative, no number, or beyond 62 bits.
    """
    scale = _NS.get(unit, 1)
    wrong = np.flatnonzero(~((values >= 0) & (values < _LARGEST / scale)))
    if len(wrong):
        raise InputError(f"{where}, sample {wrong[0]}: a weight of {values[wrong[0]]:g} {unit}", _CUT)
    if unit in _NS:
        return _ns(values, scale)
    whole = np.rint(values)
    if np.any(whole != values):
        notes.append(f"weights that are no whole numbers were rounded, so that their sum is right ({unit})")
        ends: Ints = np.rint(np.cumsum(values)).astype(np.int64)
        return np.diff(ends, prepend=0)
    return whole.astype(np.int64)


def _ns(values: Floats, scale: int) -> Ints:
    """As the nearest nanoseconds; the whole part is taken out first, or the product would be rounded."""
    whole = np.floor(values)
    return whole.astype(np.int64) * scale + np.rint((values - whole) * scale).astype(np.int64)


def _evented(thread: _Thread, frames: Sequence[Frame]) -> pa.Table:
    """One record an opening event."""
    profile, where = thread.profile, thread.where
    opens = np.array([event.type == "O" for event in profile.events], bool)
    frame = np.array([event.frame for event in profile.events], np.int64)
    at = np.array([event.at for event in profile.events], np.float64)
    _check_events(profile, opens, frame, at, len(frames), where)
    depth = np.cumsum(np.where(opens, 1, -1)) - opens
    close = _closing(opens, frame, depth, frames, where)
    rows = np.flatnonzero(opens)
    parent = calltree.parents_of_depths(depth[rows])
    scale = _NS.get(profile.unit, 1)
    first = at[0]
    begin, end = _ns(at[rows] - first, scale), _ns(at[close] - first, scale)
    total = end - begin
    costs = _costs_of_events(profile.unit, total, parent, where)
    columns = {
        "parent_id": from_integers(parent),
        "thread": from_codes(np.zeros(len(rows), np.int32), [thread.name]),
        "count": integers(np.ones(len(rows), np.int64)),
        **stacks.columns_of(frames, frame[rows], parent),
        **costs,
    }
    if profile.unit in _NS and abs(first) < _LARGEST / scale:
        columns["start_ns"] = integers(begin + _ns(np.array([first]), scale)[0])
    return schema.table_from(schema.RECORDS, columns, len(rows))


def _costs_of_events(unit: str, total: Ints, parent: Ints, where: str) -> dict[str, Any]:
    own = calltree.self_from_total(parent, total)
    if np.any(own < 0):
        raise InputError(f"{where}: a frame lasts longer than the one around it", _CUT)
    if unit in _NS:
        return {"self_ns": integers(own), "total_ns": integers(total)}
    if unit == "bytes":
        raise InputError(f"{where}: events in bytes tell no cost", "export the profile of times")
    return {"samples": integers(own)}


def _check_events(profile: _Profile, opens: Any, frame: Ints, at: Floats, frames: int, where: str) -> None:
    """Raise InputError unless events are known, in order of time, and opened and closed equally often."""
    scale = _NS.get(profile.unit, 1)
    types = [event.type for event in profile.events]
    for index in (index for index, kind in enumerate(types) if kind not in ("O", "C")):
        raise InputError(f"{where}, event {index}: type '{types[index]}' is neither O nor C", _CUT)
    for index in np.flatnonzero((frame < 0) | (frame >= frames))[:1]:
        raise InputError(f"{where}, event {index}: frame {frame[index]} is none of the {frames} frames", _CUT)
    for index in np.flatnonzero(~(np.abs(at - at[0]) < _LARGEST / scale))[:1]:
        raise InputError(f"{where}, event {index}: the time {at[index]:g} {profile.unit} is too far off", _CUT)
    for index in np.flatnonzero(np.diff(at) < 0)[:1] + 1:
        raise InputError(f"{where}, event {index}: at {at[index]:g}, but the event before at {at[index - 1]:g}", _CUT)
    depth = np.cumsum(np.where(opens, 1, -1))
    for index in np.flatnonzero(depth < 0)[:1]:
        raise InputError(f"{where}, event {index}: closes a frame, but none is open", _CUT)


def _closing(opens: Any, frame: Ints, depth: Ints, frames: Sequence[Frame], where: str) -> Ints:
    """Index of the event that closes each opening one: on each level they take turns.

    Args:
        opens: whether each event opens, shape (events,).
        frame: codes, shape (events,).
        depth: frames open around each, shape (events,).
        frames: distinct, for errors.
        where: for errors.

    Returns:
        One for each opening event.
    """
    order = np.argsort(depth, kind="stable")
    in_order = opens[order]
    last = np.flatnonzero(np.append(in_order[1:], True) & in_order)
    if len(last):
        event = order[last[-1]]
        raise InputError(f"{where}, event {event}: frame '{frames[frame[event]].symbol}' is never closed", _CUT)
    opening, closing = order[in_order], order[~in_order]
    wrong = np.flatnonzero(frame[opening] != frame[closing])
    if len(wrong):
        event = int(closing[wrong].min())
        inside = frames[frame[opening[closing == event][0]]].symbol
        raise InputError(
            f"{where}, event {event}: closes '{frames[frame[event]].symbol}', but '{inside}' is open inside it", _CUT
        )
    close = np.full(len(opens), NONE, np.int64)
    close[opening] = closing
    return close[opens]


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Forests one after the other."""
    moved, before = [], 0
    for table in tables:
        parent = table["parent_id"].fill_null(NONE).to_numpy()
        column = from_integers(np.where(parent >= 0, parent + before, NONE).astype(np.int32))
        moved.append(table.set_column(0, table.schema.field(0), column))
        before += table.num_rows
    return pa.concat_tables(moved) if moved else schema.table_from(schema.RECORDS, {}, 0)


def _totals(table: pa.Table, unit: str) -> dict[str, int]:
    column = "self_ns" if unit in _NS else "samples" if unit == "none" else "allocated_bytes"
    return {column.removeprefix("self_"): int(table[column].fill_null(0).to_numpy().sum())}


def _run(content: _File, threads: Sequence[_Thread], path: Path) -> Run:
    tool, _, version = (content.exporter or "").partition("@")
    by_py_spy = tool == "py-spy"
    # py-spy gives every sample the same weight: what one takes at its rate.
    weights = {weight for thread in threads for weight in thread.profile.weights} if by_py_spy else set()
    scale = _NS.get(threads[0].profile.unit, 0)
    return Run(
        tool="py-spy" if by_py_spy else "speedscope",
        tool_version=version if by_py_spy and version else None,
        settings={"exporter": content.exporter} if content.exporter and not by_py_spy else {},
        artefacts=(path.name,),
        sampling_period_ns=round(weights.pop() * scale) or None if len(weights) == 1 else None,
    )


SPEEDSCOPE = Importer(name="speedscope", sniff=sniff, load=load)
