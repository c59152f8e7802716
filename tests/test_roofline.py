"""Roofline: what bounds a row, what it leaves, and what is not known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.errors import InputError, UsageError
from profkit.loader import load
from profkit.network_costs import NetworkCost
from profkit.peaks import Bandwidth, Peaks, Rate
from profkit.profile import Profile
from profkit.roofline import Roofline, Row, rooflines
from profkit.roofline.comparison import Pair, pairs
from profkit.summary import DIMENSIONS
from tests.small_roofline import GIGA, HERE, MEGA, PEAKS, RUN, profile, row

BY = ("layer", "phase")
ONE_STEP = replace(RUN, steps=1)
TRACES = Path(__file__).parents[1] / "traces"


def found(*rows: dict[str, object], peaks: Peaks = PEAKS) -> Roofline:
    """The roofline of one step on the processor."""
    [one] = rooflines(profile(*rows, run=ONE_STEP), peaks, BY)
    return one


def only(*rows: dict[str, object]) -> Row:
    """Its only row."""
    [one] = found(*rows).rows
    return one


def test_much_arithmetic_on_few_bytes_is_bound_by_compute() -> None:
    place = only(row(flop=GIGA // 2, traffic_bytes=MEGA))
    assert (place.bound, place.limit, place.dtype) == ("compute", "compute", "float32")
    assert place.roof_ns == pytest.approx(5 * MEGA)  # 0.5 GFLOP at 100 GFLOP/s
    assert place.left_ns == pytest.approx(5 * MEGA)
    assert place.share == pytest.approx(0.5)
    assert place.intensity == 500
    assert place.flop_per_s == pytest.approx(50e9)
    assert place.attainable_flop_per_s == pytest.approx(100e9)
    assert place.bytes_per_s == pytest.approx(MEGA / 10e-3)
    assert place.macs == GIGA // 4


def test_the_level_of_the_memory_is_the_fastest_that_holds_what_one_call_touches() -> None:
    in_cache = only(row(flop=MEGA, traffic_bytes=10 * MEGA, count=10))
    assert (in_cache.bound, in_cache.limit) == ("memory", "L2")
    assert in_cache.roof_ns == pytest.approx(100_000)  # 10 MB at 100 GB/s
    beyond = only(row(flop=MEGA, traffic_bytes=10 * MEGA + 10, count=10))
    assert beyond.limit == "memory"
    assert beyond.roof_ns == pytest.approx(1_000_001)


def test_a_copy_is_bound_by_memory_alone_whatever_its_type() -> None:
    place = only(row("aten::copy_", traffic_bytes=20 * MEGA, dtype="int64"))
    assert (place.limit, place.roof_ns, place.dtype) == ("memory", pytest.approx(2 * MEGA), None)
    assert place.attainable_flop_per_s == 0


def test_work_that_takes_less_than_its_calls_is_bound_by_dispatch() -> None:
    many = {"flop": 100_000, "traffic_bytes": 1000, "count": 1}  # 1 us at the roof
    assert only(row(**many)).bound == "dispatch"
    assert only(row(**many, phase="backward")).bound == "compute"  # the autograd engine calls from C++, in 1 us
    cpp = profile(row(**many), run=replace(ONE_STEP, implementation="libtorch"))
    assert rooflines(cpp, PEAKS, BY)[0].rows[0].bound == "compute"


def test_views_and_what_lies_between_operators_leave_all_their_time() -> None:
    for nothing in (row("aten::view"), row(None)):
        work = row(flop=GIGA, traffic_bytes=1, layer="other")
        place = next(each for each in found(nothing, work).rows if each.key[0] == "fc")
        assert (place.bound, place.left_ns, place.share) == ("dispatch", 10 * MEGA, 0.0)
        assert place.intensity is None


def test_rows_without_a_known_cost_are_kept_apart() -> None:
    unknown = row("aten::mystery", flop=None, traffic_bytes=None, self_ns=30 * MEGA)
    lists = row("aten::half_known", traffic_bytes=None, flop=10, self_ns=MEGA)
    one = found(row(flop=GIGA // 2, traffic_bytes=1), unknown, lists)
    [place] = one.rows
    assert (place.time_ns, place.unknown_ns, place.known_ns) == (41 * MEGA, 31 * MEGA, 10 * MEGA)
    assert place.left_ns == pytest.approx(5 * MEGA)
    assert place.bound == "unknown"
    assert one.coverage == pytest.approx(10 / 41)
    assert one.uncosted == (("aten::mystery", 30 * MEGA), ("aten::half_known", MEGA))


def test_the_place_with_most_time_left_comes_first_and_the_rest_is_split_by_what_bounds_it() -> None:
    one = found(
        row(layer="slow", flop=GIGA // 2, traffic_bytes=1, self_ns=50 * MEGA),
        row(layer="long", flop=9 * GIGA, traffic_bytes=1, self_ns=91 * MEGA),
        row("aten::copy_", layer="copy", traffic_bytes=20 * MEGA),
    )
    assert [place.key[0] for place in one.rows] == ["slow", "copy", "long"]
    assert one.total.left_by_bound_ns == pytest.approx((46 * MEGA, 8 * MEGA, 0))
    assert sum(one.total.left_by_bound_ns) == pytest.approx(one.total.left_ns)
    assert one.memory == {"memory": 10e9}
    assert one.compute == {"float32": 100e9}


def test_what_is_above_its_roof_does_not_hide_what_others_leave() -> None:
    fast = row(layer="fast", flop=4 * GIGA, traffic_bytes=1)  # 40 ms of work in 10 ms
    one = found(fast, row(flop=GIGA // 2, traffic_bytes=1))
    places = {place.key[0]: place for place in one.rows}
    assert (places["fast"].left_ns, places["fast"].share, places["fast"].reached) == (0, 1, pytest.approx(4))
    assert (one.total.left_ns, one.total.at_roof_ns, one.total.above_ns) == pytest.approx(
        (5 * MEGA, 15 * MEGA, 30 * MEGA)
    )
    assert one.total.share == pytest.approx(0.75)


def test_times_are_of_a_step_and_without_steps_of_the_recording() -> None:
    rows = row(flop=GIGA, traffic_bytes=1)
    [step] = rooflines(profile(rows), PEAKS, BY)
    [whole] = rooflines(profile(rows, run=replace(RUN, steps=None)), PEAKS, BY)
    assert (step.steps, step.total.time_ns, step.total.flop, step.total.calls) == (2, 5 * MEGA, GIGA / 2, 0.5)
    assert (whole.steps, whole.total.time_ns, whole.total.flop) == (None, 10 * MEGA, GIGA)


def test_a_type_that_is_not_said_is_that_of_the_layer_and_marked() -> None:
    one = found(
        row("aten::mm", dtype="float64", flop=100, count=5, layer="double"),
        row("aten::mm", flop=100, count=50),
        row("aten::_foreach_add_", dtype=None, flop=GIGA, traffic_bytes=1, layer="double"),
    )
    place = next(each for each in one.rows if each.key[0] == "double")
    assert place.assumed
    assert place.roof_ns == pytest.approx(20 * MEGA)  # at the peak of float64
    assert any("whose type the tool does not say" in note for note in one.notes)


def test_a_lone_number_before_the_tensors_does_not_say_the_type() -> None:
    number = {"dtype": "float64", "input_shapes": "[[],[8,3],[8,3]]", "flop": GIGA, "traffic_bytes": 1}
    assert only(row("aten::mul", **number), row("aten::mm", flop=1, traffic_bytes=1)).dtype == "float32"
    assert only(row("aten::mul", **{**number, "input_shapes": "[[],[],[]]"})).dtype == "float64"


def test_a_type_without_a_peak_has_no_roof_and_it_is_said() -> None:
    one = found(
        row(flop=GIGA, traffic_bytes=1), row("aten::mm", dtype="float16", flop=GIGA, traffic_bytes=1, layer="x")
    )
    place = next(each for each in one.rows if each.key[0] == "x")
    assert (place.bound, place.unknown_ns) == ("unknown", 10 * MEGA)
    assert "no peak of float16 is known for Small CPU: such rows have no roof" in one.notes


def test_kernels_stand_under_the_roofs_of_their_device() -> None:
    kernel = {"kind": "kernel", "device": "cuda:0", "dtype": "float16", "flop": 100 * GIGA, "traffic_bytes": 1}
    launching = row("aten::addmm", dtype="float16")
    [device] = rooflines(profile(launching, row(**kernel), run=ONE_STEP), PEAKS, BY)
    assert device.device == "device"
    assert device.total.roof_ns == pytest.approx(MEGA)
    assert any("the processor spent 10.0 ms a step without work" in note for note in device.notes)
    both = rooflines(profile(row(flop=GIGA, traffic_bytes=1), row(**kernel), run=ONE_STEP), PEAKS, BY)
    assert [each.device for each in both] == ["cpu", "device"]
    with pytest.raises(UsageError, match="nothing in the profile has a roof on Small CPU"):
        rooflines(profile(launching, row(**{**kernel, "device": "mps:0"})), PEAKS, BY)


def test_samples_are_time_where_their_period_is_known() -> None:
    sampled = row(flop=GIGA, traffic_bytes=1, self_ns=None, samples=4)
    run = replace(ONE_STEP, sampling_period_ns=5 * MEGA)
    assert rooflines(profile(sampled, run=run), PEAKS, BY)[0].total.time_ns == 20 * MEGA
    with pytest.raises(UsageError, match="not how much time lies between them"):
        rooflines(profile(sampled), PEAKS, BY)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        ([row(self_ns=None, self_instructions=7)], "counts instructions, and a roof is a limit of time"),
        ([row(self_ns=0, flop=5)], "no time at all"),
        ([row(flop=None, traffic_bytes=None)], "no operator in this profile of torch has a known cost"),
    ],
    ids=["nothing", "instructions", "no time", "no costs"],
)
def test_a_profile_that_can_have_no_roof_is_refused(rows: list[dict[str, object]], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        rooflines(profile(*rows), PEAKS, BY)
    assert raised.value.hint


def test_a_machine_without_bandwidth_or_with_rates_that_are_none_is_refused() -> None:
    work = profile(row(flop=GIGA, traffic_bytes=1))
    with pytest.raises(InputError, match="no bandwidth for cpu"):
        rooflines(work, replace(PEAKS, bandwidth=()), BY)
    for rate in (math.nan, 0.0, -1.0, math.inf):
        wrong = (Bandwidth("cpu", "memory", 1, Rate(rate)),)
        with pytest.raises(InputError, match="bandwidth of memory is"):
            rooflines(work, replace(PEAKS, bandwidth=wrong), BY)
        with pytest.raises(InputError, match="peak of float32 is"):
            rooflines(work, replace(PEAKS, compute=(replace(PEAKS.compute[0], flop_per_s=Rate(rate)),)), BY)


def test_a_machine_without_its_memory_has_its_last_level_instead_and_it_is_said() -> None:
    one = found(row("aten::copy_", traffic_bytes=20 * MEGA), peaks=replace(PEAKS, bandwidth=PEAKS.bandwidth[1:2]))
    assert one.total.limit == "L2"
    assert any("no bandwidth of the memory itself" in note for note in one.notes)


def test_peaks_of_another_machine_are_a_loud_note() -> None:
    elsewhere = replace(ONE_STEP, machine=replace(HERE, processor="Large CPU"))
    work = row(flop=GIGA, traffic_bytes=1)
    [one] = rooflines(profile(work, run=elsewhere), PEAKS, BY)
    assert one.notes[0].startswith("NOT THE SAME MACHINE: the run was made on Large CPU, 2 cores, avx2")
    [nobody] = rooflines(profile(work, run=replace(ONE_STEP, machine=None, threads=None)), PEAKS, BY)
    assert any("nobody knows that the run was made on Small CPU" in note for note in nobody.notes)
    assert any("does not say its threads" in note for note in nobody.notes)
    upgraded = replace(ONE_STEP, machine=replace(HERE, system="Linux 7"))
    assert rooflines(profile(work, run=upgraded), PEAKS, BY)[0].notes == ()


ROWS = st.builds(
    row,
    st.sampled_from(["aten::addmm", "aten::view", "aten::copy_", None]),
    layer=st.sampled_from(["a", "b", None]),
    phase=st.sampled_from(["forward", "backward"]),
    dtype=st.sampled_from(["float32", "float64", "int64", "float16", None]),
    count=st.integers(0, 10**6),
    self_ns=st.integers(0, 10**12),
    flop=st.one_of(st.none(), st.integers(0, 10**15)),
    traffic_bytes=st.one_of(st.none(), st.integers(0, 10**13)),
)


@given(
    st.lists(ROWS, min_size=1, max_size=12), st.sampled_from([("layer",), BY, ("operator", "dtype"), DIMENSIONS[:2]])
)
def test_places_sum_to_the_whole_whatever_they_are_summed_by(
    rows: list[dict[str, object]], by: tuple[str, ...]
) -> None:
    anchor = row(flop=GIGA, traffic_bytes=MEGA)
    [one] = rooflines(profile(anchor, *rows), PEAKS, by)
    for name in ("time_ns", "unknown_ns", "roof_ns", "left_ns", "above_ns", "flop", "traffic_bytes", "macs", "calls"):
        whole = getattr(one.total, name)
        assert sum(getattr(place, name) for place in one.rows) == pytest.approx(whole, abs=1e-3)
    assert sum(one.total.left_by_bound_ns) == pytest.approx(one.total.left_ns, abs=1e-3)
    assert 0 <= one.coverage <= 1
    assert all(place.share is None or -1e-9 <= place.share <= 1 + 1e-9 for place in one.rows)
    assert all(math.isfinite(value) for place in one.rows for value in (place.time_ns, place.roof_ns, place.left_ns))


def cost(layer: str | None, phase: str, operator: str, flop: int, traffic: int | None = 1) -> NetworkCost:
    """Work of a network in one step."""
    return NetworkCost(layer, phase, operator, "float32", 1, flop, traffic)


NETWORK = [
    cost("fc", "forward", "aten::addmm", GIGA // 2),
    cost("fc", "forward", "aten::relu", GIGA // 10),
    cost("fc", "backward", "aten::mm", GIGA),
]
UNSEEN = {"flop": None, "traffic_bytes": None}


def test_a_tool_without_shapes_takes_the_work_of_the_network_by_layer_and_phase() -> None:
    timed = profile(row(**UNSEEN, self_ns=40 * MEGA), row(**UNSEEN, phase="backward", self_ns=60 * MEGA))
    [one] = rooflines(timed, PEAKS, BY, NETWORK)
    places = {place.key: place for place in one.rows}
    forward, backward = places["fc", "forward"], places["fc", "backward"]
    assert (forward.time_ns, forward.roof_ns, forward.flop) == (20 * MEGA, pytest.approx(6 * MEGA), 0.6 * GIGA)
    assert (backward.time_ns, backward.roof_ns) == (30 * MEGA, pytest.approx(10 * MEGA))
    assert one.coverage == 1
    assert any("the work is that of the network as data" in note for note in one.notes)


def test_work_of_layers_that_the_tool_did_not_tell_apart_goes_to_their_phase() -> None:
    timed = profile(row(**UNSEEN), row(**UNSEEN, layer=None, phase="backward"), row(None, layer=None, phase="data"))
    [one] = rooflines(timed, PEAKS, BY, NETWORK)
    places = {place.key: place for place in one.rows}
    assert places[None, "backward"].roof_ns == pytest.approx(10 * MEGA)
    assert (places[None, "data"].bound, places[None, "data"].left_ns) == ("dispatch", 5 * MEGA)
    assert ("fc", "backward") not in places
    [by_phase] = rooflines(timed, PEAKS, ("phase",), NETWORK)
    assert by_phase.total.time_ns == one.total.time_ns == 15 * MEGA
    assert {place.key for place in by_phase.rows} == {("forward",), ("backward",), ("data",)}


def test_one_unknown_cost_makes_its_whole_place_unknown() -> None:
    timed = profile(row(**UNSEEN), row(**UNSEEN, phase="backward"))
    [one] = rooflines(timed, PEAKS, BY, [*NETWORK, cost("fc", "forward", "aten::list", 5, None)])
    places = {place.key: place for place in one.rows}
    assert places["fc", "forward"].unknown_ns == places["fc", "forward"].time_ns == 5 * MEGA
    assert places["fc", "backward"].bound == "compute"


def test_operators_are_told_apart_without_shapes_only_where_they_are_the_networks_own() -> None:
    timed = profile(row("aten::conv2d", **UNSEEN), row("aten::mm", **UNSEEN, phase="backward"))
    with pytest.raises(UsageError, match="none by operator"):
        rooflines(timed, PEAKS, ("operator",), NETWORK)
    with pytest.raises(UsageError, match="none by category"):
        rooflines(timed, PEAKS, ("layer", "category"), NETWORK)
    rows = row(**UNSEEN), row("aten::relu", **UNSEEN), row("aten::mm", **UNSEEN, phase="backward")
    named = profile(*rows, run=replace(RUN, implementation="numba"))
    [one] = rooflines(named, PEAKS, ("operator",), NETWORK)
    assert {place.key[0]: place.roof_ns for place in one.rows} == pytest.approx(
        {"aten::addmm": 5 * MEGA, "aten::relu": MEGA, "aten::mm": 10 * MEGA}
    )


def steps(*costs: int, flop: int = GIGA, operator: str | None = "aten::addmm") -> Profile:
    """One place that took these times in its steps."""
    work = row(operator, flop=flop, traffic_bytes=1, self_ns=sum(costs), self_ns_per_step=list(costs))
    return profile(work, run=replace(RUN, steps=len(costs)))


def pair(a: Profile, b: Profile) -> Pair:
    [one] = pairs(rooflines(a, PEAKS, BY)[0], rooflines(b, PEAKS, BY)[0])
    return one


def test_of_two_the_one_nearer_to_its_roof_is_named_unless_the_steps_say_that_it_is_noise() -> None:
    slow, fast = steps(20 * MEGA, 21 * MEGA, flop=2 * GIGA), steps(11 * MEGA, 12 * MEGA, flop=2 * GIGA)
    assert pair(slow, fast).nearer == "B"
    assert pair(fast, slow).nearer == "A"
    assert pair(slow, slow).nearer == "same"
    noisy = steps(15 * MEGA, 25 * MEGA, flop=2 * GIGA), steps(14 * MEGA, 24 * MEGA, flop=2 * GIGA)
    assert pair(*noisy).nearer == "same"


def test_where_there_is_no_work_the_nearer_one_is_the_faster_one() -> None:
    def both(time: int) -> Roofline:
        return found(row(None, self_ns=time), row(flop=GIGA, traffic_bytes=1, layer="x"))

    [one] = [each for each in pairs(both(10 * MEGA), both(2 * MEGA)) if each.key[0] == "fc"]
    assert one.nearer == "B"
    [lonely] = [
        each for each in pairs(both(MEGA), found(row(layer="x", flop=1, traffic_bytes=0))) if each.key[0] == "fc"
    ]
    assert (lonely.b, lonely.nearer) == (None, None)


@pytest.mark.parametrize("implementation", ["pytorch", "libtorch"])
def test_a_real_trace_has_a_roof_over_all_its_time(implementation: str) -> None:
    recorded = load(TRACES / "mnist_cnn" / implementation / "torch" / "trace.json.gz")
    [one] = rooflines(recorded, replace(PEAKS, machine=None), BY)
    assert one.total.time_ns == pytest.approx(int(recorded.cost().sum()) / (one.steps or 1))
    assert one.coverage > 0.95
    conv2 = next(place for place in one.rows if place.key == ("conv2", "forward"))
    assert conv2.macs == conv2.flop / 2 == 8 * 16 * 11 * 11 * 8 * 3 * 3
    assert conv2.bound == "compute"
