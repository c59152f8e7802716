"""Places of a profile with time, work and roof, where the tool saw no shapes: the work is of the network as data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from profkit.columns import NONE, Ints, chosen
from profkit.costs import is_multiply_add
from profkit.network_costs import NetworkCost
from profkit.network_places import placed, places_of
from profkit.peaks import Peaks
from profkit.profile import Profile
from profkit.roofline.roofs import UNKNOWN, Floats, Work, is_floating, roofs
from profkit.roofline.rows import LIKELY, Rows, language, threads_of, time_of
from profkit.run import Run
from profkit.summary import Key, group_rows, is_host


def rows_of_network(profile: Profile, peaks: Peaks, by: Sequence[str], network: Sequence[NetworkCost]) -> Rows:
    """One row an operator of the network, and one a place that the network has nothing in.

    The time of a place is divided among its operators in proportion to their roofs; sums over a place are exact.

    Args:
        profile: with time on the processor.
        peaks: of the machine.
        by: columns of the keys: layer and phase, and the operator where its names are those of the network.
        network: cost of one step.

    Raises:
        UsageError: another column is asked for.
    """
    places = places_of(profile, by)
    index, time_ns = _timed(profile, places)
    known = frozenset(index)
    keys = [placed(each, places, known) for each in network]
    cost_place = np.array([index.setdefault(key, len(index)) for key in keys], np.int64)
    time_ns = np.pad(time_ns, (0, len(index) - len(time_ns)))
    empty = np.flatnonzero((np.bincount(cost_place, minlength=len(index)) == 0) & (time_ns > 0))
    work = _work(network, profile.run, len(empty))
    found = roofs(work, peaks)
    place = np.concatenate([cost_place, empty])
    bound = _unknown_together(found.bound, place, len(index))
    distinct, key = _narrowed(list(index), places, by, place)
    return Rows(
        by=tuple(by),
        keys=distinct,
        key=key,
        operator=np.concatenate([np.arange(len(network)), np.full(len(empty), NONE)]),
        operators=[each.operator for each in network],
        time_ns=time_ns[place] * _parts(np.where(bound == UNKNOWN, 0.0, found.roof_ns), place, len(index)),
        per_step_ns=None,
        macs=_macs(network, work.flop),
        work=work,
        compute_ns=found.compute_ns,
        memory_ns=found.memory_ns,
        bound=bound,
        level=np.where(bound == UNKNOWN, NONE, found.level),
        levels={each.level: each.bytes_per_s.value for each in found.levels},
        peaks=found.peaks,
        assumed=np.zeros(len(place), bool),
    )


def _timed(profile: Profile, places: tuple[str, ...]) -> tuple[dict[Key, int], Floats]:
    """The places on the processor and the time in each, shape (places,)."""
    host = is_host(profile)
    keys, of_row = group_rows(chosen(profile.operators, host), places)
    return {key: place for place, key in enumerate(keys)}, np.bincount(
        of_row, time_of(profile)[host], len(keys)
    ).astype(float)


def _macs(network: Sequence[NetworkCost], flop: Floats) -> Floats:
    """Multiply-adds of the operators, and of the places without any."""
    multiplies = np.zeros(len(flop), bool)
    multiplies[: len(network)] = [is_multiply_add(each.operator) for each in network]
    return np.where(multiplies, flop / 2, flop * 0.0)


def _work(network: Sequence[NetworkCost], run: Run, places: int) -> Work:
    """Work over all steps: of each operator, then of so many places that have none."""
    steps = run.steps or 1
    names = [each.dtype if each.dtype and is_floating(each.dtype) else LIKELY for each in network]
    dtypes = tuple(dict.fromkeys([*names, LIKELY]))

    def numbers(values: Sequence[int | None]) -> Floats:
        known = np.array([np.nan if value is None else float(value) for value in values])
        return np.concatenate([known * steps, np.zeros(places)])

    return Work(
        device="cpu",
        threads=threads_of(run, "cpu"),
        calls=numbers([each.calls for each in network]),
        flop=numbers([each.flop for each in network]),
        traffic_bytes=numbers([each.traffic_bytes for each in network]),
        dtype=np.array([dtypes.index(name) for name in [*names, *([LIKELY] * places)]], np.int64),
        dtypes=dtypes,
        native=np.array([*(each.phase == "backward" for each in network), *([False] * places)], bool),
        language=language(run),
    )


def _unknown_together(bound: Ints, place: Ints, places: int) -> Ints:
    """The time of a place cannot be split, so one operator without a cost makes all of it unknown."""
    unknown = np.bincount(place, bound == UNKNOWN, places) > 0
    return np.where(unknown[place], UNKNOWN, bound)


def _parts(roof: Floats, place: Ints, places: int) -> Floats:
    """Part of its place's time that each row gets; equal ones where no row of the place has a roof."""
    whole, count = np.bincount(place, roof, places), np.bincount(place, minlength=places)
    return np.where(whole[place] > 0, roof / np.where(whole > 0, whole, 1.0)[place], 1 / count[place])


def _narrowed(keys: Sequence[Key], places: tuple[str, ...], by: Sequence[str], place: Ints) -> tuple[
    tuple[Key, ...], Ints
]:  # fmt: skip
    """The keys by the columns that are asked for, and the place of each row's."""
    narrow = [tuple(key[places.index(name)] for name in by) for key in keys]
    index = {key: number for number, key in enumerate(dict.fromkeys(narrow[each] for each in place.tolist()))}
    return tuple(index), np.array([index[narrow[each]] for each in place.tolist()], np.int64)
