"""Roofline: what each place of a profile reached, what it could reach, and the time that it leaves on the table.

Time at the roof is summed over rows, because rows run one after the other; the rest of the time is what is left. A row
whose roof is lower than the cost of calling it is bound by dispatch, and so is everything between operators, which has
no work at all. Rows whose cost or peak is unknown are kept apart: their time is neither at a roof nor left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from profkit.columns import NONE, Flags, Ints
from profkit.errors import UsageError
from profkit.machine import Machine
from profkit.network_costs import NetworkCost
from profkit.peaks import Peaks
from profkit.profile import Profile
from profkit.roofline.network import rows_of_network
from profkit.roofline.roofs import BOUNDS, COMPUTE, DISPATCH, MEMORY, UNKNOWN, Floats
from profkit.roofline.rows import Rows, has_costs, rows_of_table, threads_of, time_of
from profkit.run import Run
from profkit.summary import Key, is_host
from profkit.units import format_ns

KNOWN_BOUNDS = (BOUNDS[COMPUTE], BOUNDS[MEMORY], BOUNDS[DISPATCH])
FINEST = ("layer", "phase", "operator")

_MENTIONED = 1e-3
"""Share of the time from which a guess is worth a note."""
_NO_COSTS = (
    "record with --tool torch, or with record_shapes=True in a program of your own; a profile from before profkit knew "
    "costs is made again by profkit import of its artefact"
)


@dataclass(frozen=True)
class Row:
    """One place; times and counts are of a step where there are steps, else of the whole recording.

    Attributes:
        key: values of the columns summed by.
        time_ns: self time.
        unknown_ns: the part of it in rows whose cost or peak is not known.
        roof_ns: least time of the work in the other rows.
        left_ns: their time beyond it. A row that took less than its roof has none: it would hide what others leave.
        calls: of operators.
        flop: operations of the other rows.
        macs: multiply-adds among them, two FLOP each.
        traffic_bytes: compulsory bytes of the other rows.
        bound: what sets most of its time: `compute`, `memory`, `dispatch`; `unknown` where that is not known.
        level: level of the memory that most of its memory-bound time is bound by; None where there is none.
        dtype: type of most of its arithmetic; None where it has none.
        assumed: whether that type is a guess in any row.
        left_by_bound_ns: time left by what sets it, in the order of `KNOWN_BOUNDS`.
        samples_ns: time of the rows with a roof in each step; None where the tool does not tell steps apart.
    """

    key: Key
    time_ns: float
    unknown_ns: float
    roof_ns: float
    left_ns: float
    calls: float
    flop: float
    macs: float
    traffic_bytes: float
    bound: str
    level: str | None
    dtype: str | None
    assumed: bool
    left_by_bound_ns: tuple[float, float, float]
    samples_ns: tuple[float, ...] | None = None

    @property
    def known_ns(self) -> float:
        """Time in rows that have a roof."""
        return self.time_ns - self.unknown_ns

    @property
    def at_roof_ns(self) -> float:
        """The part of the time that is at the roof: all of it in a row that is above its roof."""
        return self.known_ns - self.left_ns

    @property
    def share(self) -> float | None:
        """Part of the time that is at the roof, at most 1; None where no time is known."""
        return _ratio(self.at_roof_ns, self.known_ns)

    @property
    def reached(self) -> float | None:
        """Least time over time: above 1 where the roof is too low for what was reached; None where no time is known."""
        return _ratio(self.roof_ns, self.known_ns)

    @property
    def above_ns(self) -> float:
        """Time that rows above their roofs took less than those."""
        return self.roof_ns - self.at_roof_ns

    @property
    def intensity(self) -> float | None:
        """FLOP/byte; None without traffic."""
        return _ratio(self.flop, self.traffic_bytes)

    @property
    def flop_per_s(self) -> float | None:
        """Achieved FLOP/s."""
        return _ratio(self.flop, self.known_ns * 1e-9)

    @property
    def bytes_per_s(self) -> float | None:
        """Achieved bytes/s of compulsory traffic."""
        return _ratio(self.traffic_bytes, self.known_ns * 1e-9)

    @property
    def attainable_flop_per_s(self) -> float | None:
        """FLOP/s at the roof; None for a place without work."""
        return _ratio(self.flop, self.roof_ns * 1e-9)

    @property
    def limit(self) -> str:
        """`compute`, the level of memory in place of `memory`, `dispatch` or `unknown`."""
        return self.level if self.bound == BOUNDS[MEMORY] and self.level else self.bound


@dataclass(frozen=True)
class Roofline:
    """A profile under the roofs of a machine, on the processor or on the devices beside it.

    Attributes:
        run: of the profile.
        peaks: of the machine.
        device: `cpu`, or `device` for what ran beside it.
        by: the columns summed by.
        steps: that times and counts were divided by; None for a whole recording.
        rows: most time left first.
        total: of all.
        compute: FLOP/s of each type that occurs in arithmetic.
        memory: bytes/s of each level that binds something, and of the last one; fastest first.
        uncosted: operators without a cost or peak and their time, longest first.
        notes: what stands in the way of believing it, one sentence each.
    """

    run: Run
    peaks: Peaks
    device: str
    by: tuple[str, ...]
    steps: int | None
    rows: tuple[Row, ...]
    total: Row
    compute: dict[str, float]
    memory: dict[str, float]
    uncosted: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]

    @property
    def coverage(self) -> float:
        """Share of the time in rows that have a roof."""
        return self.total.known_ns / self.total.time_ns if self.total.time_ns else 0.0


def rooflines(
    profile: Profile, peaks: Peaks, by: Sequence[str], network: Sequence[NetworkCost] | None = None
) -> tuple[Roofline, ...]:
    """Put a profile under the roofs of a machine: the processor first, then the devices beside it where there are any.

    Args:
        profile: of any tool that measures time.
        peaks: of the machine that it was recorded on, if they are to say anything.
        by: columns of `summary.DIMENSIONS` to sum by.
        network: work of one step, for a tool that sees no shapes.

    Raises:
        UsageError: no time, no row with a known cost, or no peaks for any device that has one.
    """
    time_of(profile)
    from_table = has_costs(profile)
    if not from_table and not network:
        raise UsageError(f"no operator in this profile of {profile.run.tool} has a known cost", _NO_COSTS)
    host = is_host(profile)
    sides = [device for device, rows in (("cpu", host), ("device", ~host)) if rows.any()]
    found = []
    for device in sides:
        if from_table:
            rows = rows_of_table(profile, peaks, by, device)
        elif device == "cpu" and network:
            rows = rows_of_network(profile, peaks, by, network)
        else:
            continue
        found.append(_roofline(profile.run, peaks, rows, device, from_table))
    working = [each for each in found if each.total.roof_ns]
    if not working:
        raise _no_roof(found, peaks)
    idle = [each for each in found if not each.total.roof_ns]
    return tuple(replace(each, notes=(*each.notes, *map(_beside, idle))) for each in working)


def _beside(idle: Roofline) -> str:
    """What is said of a side that has time and no work."""
    where = "the processor" if idle.device == "cpu" else "the device"
    known = "whose work or peaks nobody knows" if idle.total.unknown_ns > idle.total.known_ns else "without work"
    return f"{where} spent {format_ns(idle.total.time_ns)}{' a step' if idle.steps else ''} {known}; it is left out"


def _no_roof(found: Sequence[Roofline], peaks: Peaks) -> UsageError:
    devices = sorted({peak.device for peak in peaks.compute})
    notes = "; ".join(note for each in found for note in each.notes)
    return UsageError(
        f"nothing in the profile has a roof on {peaks.name} ({', '.join(devices)})" + (f": {notes}" if notes else ""),
        "give the peaks of the machine that it ran on with --machine FILE",
    )


def _roofline(run: Run, peaks: Peaks, rows: Rows, device: str, from_table: bool) -> Roofline:
    steps = run.steps or None
    everything = np.zeros(len(rows.key), np.int64)
    [total] = _rows(rows, everything, [()], steps or 1)
    places = sorted(_rows(rows, rows.key, rows.keys, steps or 1), key=lambda row: (-row.left_ns, -row.unknown_ns))
    binding = np.unique(rows.level[rows.bound == MEMORY])
    names = list(rows.levels)
    memory = {name: rate for place, (name, rate) in enumerate(rows.levels.items()) if place in binding or
              place == len(names) - 1}  # fmt: skip
    return Roofline(
        run=run,
        peaks=peaks,
        device=device,
        by=rows.by,
        steps=steps,
        rows=tuple(places),
        total=total,
        compute={name: rate for name, rate in rows.peaks.items() if rate},
        memory=memory,
        uncosted=_uncosted(rows, steps or 1),
        notes=tuple(_notes(run, peaks, rows, device, from_table)),
    )


def _rows(rows: Rows, key: Ints, keys: Sequence[Key], steps: int) -> list[Row]:
    """Sum rows by key."""
    size, known = len(keys), rows.known

    def total(values: Floats, chosen: Flags = known) -> Floats:
        return np.bincount(key[chosen], np.nan_to_num(values[chosen]), size) / steps

    everywhere = np.ones(len(key), bool)
    sums = {
        "time_ns": total(rows.time_ns, everywhere),
        "unknown_ns": total(rows.time_ns, ~known),
        "roof_ns": total(rows.roof_ns),
        "left_ns": total(rows.left_ns),
        "calls": total(rows.work.calls, everywhere),
        "flop": total(rows.work.flop),
        "macs": total(rows.macs),
        "traffic_bytes": total(rows.work.traffic_bytes),
    }
    lefts = [total(rows.left_ns, rows.bound == code) for code in (COMPUTE, MEMORY, DISPATCH)]
    arithmetic = known & (np.nan_to_num(rows.work.flop) > 0)
    bound = _most(rows, key, size, rows.bound, BOUNDS, everywhere)
    level = _most(rows, key, size, rows.level, tuple(rows.levels), rows.bound == MEMORY)
    dtype = _most(rows, key, size, rows.work.dtype, rows.work.dtypes, arithmetic)
    assumed = np.bincount(key, rows.assumed & arithmetic, size) > 0
    samples = _samples(rows, key, size)
    return [
        Row(
            key=keys[place],
            **{name: float(values[place]) for name, values in sums.items()},
            bound=bound[place] or BOUNDS[UNKNOWN],
            level=level[place],
            dtype=dtype[place],
            assumed=bool(assumed[place]),
            left_by_bound_ns=(float(lefts[0][place]), float(lefts[1][place]), float(lefts[2][place])),
            samples_ns=None if samples is None else tuple(samples[place].tolist()),
        )
        for place in range(size)
    ]


def _most(rows: Rows, key: Ints, size: int, code: Ints, names: Sequence[str], chosen: Flags) -> list[str | None]:
    """What most of a key's time has, among the chosen rows; by roof where there is no time; None for no row."""
    chosen = chosen & (code >= 0)
    found = np.full(size, NONE, np.int64)
    for weight in (np.ones(len(key)), rows.roof_ns, rows.time_ns):
        votes = np.zeros((size, max(len(names), 1)))
        np.add.at(votes, (key[chosen], code[chosen]), weight[chosen])
        found = np.where(votes.any(axis=1), votes.argmax(axis=1), found)
    return [names[place] if place >= 0 else None for place in found.tolist()]


def _samples(rows: Rows, key: Ints, size: int) -> Floats | None:
    """Time of the rows with a roof by key and step, (keys, steps)."""
    if rows.per_step_ns is None:
        return None
    sums = np.zeros((size, rows.per_step_ns.shape[1]))
    np.add.at(sums, key[rows.known], rows.per_step_ns[rows.known])
    return sums


def _uncosted(rows: Rows, steps: int) -> tuple[tuple[str, float], ...]:
    """Operators without a roof and the time in them, longest first."""
    names = [*rows.operators, "(no operator)"]
    unknown = np.where(rows.operator[~rows.known] < 0, len(rows.operators), rows.operator[~rows.known])
    spent = np.bincount(unknown, rows.time_ns[~rows.known], len(names)) / steps
    times: dict[str, float] = {}
    for place in np.unique(unknown).tolist():  # of a network, one name may be there in many places
        times[names[place]] = times.get(names[place], 0.0) + float(spent[place])
    return tuple(sorted(times.items(), key=lambda item: -item[1]))


def _notes(run: Run, peaks: Peaks, rows: Rows, device: str, from_table: bool) -> list[str]:
    """What the reader must know, the gravest first."""
    notes = []
    if peaks.machine and run.machine and not is_same_machine(peaks.machine, run.machine):
        notes.append(
            f"NOT THE SAME MACHINE: the run was made on {_words(run.machine)}, the peaks are those of "
            f"{_words(peaks.machine)}; shares of the roof mean nothing"
        )
    elif not run.machine and device == "cpu":
        notes.append(f"nobody knows that the run was made on {peaks.name}, whose peaks these are")
    notes += [f"no peak of {name} is known for {peaks.name}: such rows have no roof" for name, rate in
              rows.peaks.items() if not rate]  # fmt: skip
    time = float(rows.time_ns.sum())
    assumed = float(rows.time_ns[rows.assumed].sum())
    if time and assumed > _MENTIONED * time:
        share = f"{100 * assumed / time:.1f} % of the time"
        notes.append(f"{share} is in arithmetic whose type the tool does not say: that of its layer is assumed")
    if not from_table:
        notes.append(
            "the profile has the cost of no operator: the work is that of the network as data, by layer and phase"
        )
    if device == "cpu" and not run.threads:
        threads = threads_of(run, "cpu")
        notes.append(f"the run does not say its threads: the roof is that of {threads if run.machine else 'all'}")
    if not any(level.level == "memory" for level in peaks.bandwidth):
        notes.append(f"{peaks.name} has no bandwidth of the memory itself: its last level stands for it")
    return notes


def is_same_machine(one: Machine, other: Machine) -> bool:
    """Whether peaks of one hold for the other: one processor, as many cores, one instruction set."""
    return (one.processor, one.cores, one.instruction_set) == (other.processor, other.cores, other.instruction_set)


def _words(machine: Machine) -> str:
    return f"{machine.processor}, {machine.cores} cores, {machine.instruction_set}"


def _ratio(above: float, below: float) -> float | None:
    return above / below if below > 0 else None
