"""The gate: what is surely slower is caught, what is noise is not, and what cannot be judged is said."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from profkit.errors import UsageError
from profkit.evidence import Evidence
from profkit.gate import PLAIN, gate, parse_limit
from profkit.gate.judgement import PROCESS_DEVIATION, Verdict
from profkit.loader import load
from profkit.machine import Machine
from profkit.profile import Profile
from profkit.run import Run
from profkit.schema import OPERATORS, table_from

Steps = Sequence[int]
MACHINE = Machine("a processor", "avx2", 2, 1 << 34, "Linux")


def profile(
    rows: dict[str, Steps],
    metric: str = "self_ns",
    repeats: int = 1,
    step_ns: Steps = (),
    device: str = "cpu",
    run: Run | None = None,
) -> Profile:
    """A profile from the costs of each operator in each step."""
    steps = len(next(iter(rows.values())))
    columns = {
        "layer": ["fc"] * len(rows),
        "phase": ["forward"] * len(rows),
        "operator": list(rows),
        "category": ["kernel"] * len(rows),
        "device": [device] * len(rows),
        metric: [sum(costs) for costs in rows.values()],
        f"{metric}_per_step": [list(costs) for costs in rows.values()],
    }
    if metric == "samples":
        columns.pop("samples_per_step")
    made = replace(run or Run(tool="torch"), steps=steps, repeats=repeats, step_ns=tuple(step_ns))
    return Profile(made, table_from(OPERATORS, columns, len(rows)))


def timed(
    seed: int, processes: int, factor: float = 1.0, deviation: float = 0.03, steps: int = 20, rows: int = 1
) -> Profile:
    """Simulated times: processes that differ, a drifting machine within them, and single slow steps."""
    random = np.random.default_rng(seed)
    shape = (rows, processes, steps)
    process = random.normal(1, deviation, (rows, processes, 1))
    drift = np.cumsum(random.normal(0, 0.003, shape), axis=2)
    slow = np.where(random.random(shape) < 0.05, random.uniform(1, 2, shape), 1)
    times = (1e6 * factor * (process + drift + random.normal(0, 0.02, shape)) * slow).astype(np.int64)
    named = {f"aten::row{number}": values.reshape(-1).tolist() for number, values in enumerate(times)}
    whole = times.sum(axis=0).reshape(-1).tolist()
    return profile(named, repeats=processes, step_ns=whole)


def alarms(processes: int, deviation: float, factor: float = 1.0, comparisons: int = 60) -> float:
    """How often the gate fails, of simulated pairs of recordings."""
    failed = [
        gate(timed(2 * seed, processes, deviation=deviation), timed(2 * seed + 1, processes, factor, deviation), 0.05)
        for seed in range(comparisons)
    ]
    return sum(each.failed for each in failed) / comparisons


@pytest.mark.parametrize(("processes", "deviation"), [(1, 0.05), (2, 0.05), (5, 0.05), (5, 0.15), (2, 0.15)])
def test_unchanged_programs_hardly_ever_fail_on_a_noisy_machine(processes: int, deviation: float) -> None:
    assert alarms(processes, deviation) <= 0.05


def test_ten_unchanged_reruns_do_not_fail() -> None:
    baseline = timed(1000, 3, deviation=0.03)
    assert [gate(baseline, timed(seed, 3, deviation=0.03), 0.05).failed for seed in range(10)] == [False] * 10


def test_a_tenth_slower_is_caught_by_times_with_enough_processes() -> None:
    assert alarms(20, 0.02, factor=1.1) >= 0.9


def test_of_one_process_only_what_exceeds_what_processes_differ_by_is_caught() -> None:
    assert alarms(1, 0.02, factor=1.1, comparisons=20) <= 0.1
    assert alarms(1, 0.02, factor=1.5, comparisons=20) == 1
    result = gate(timed(0, 1), timed(1, 1), 0.05)
    assert any(f"taken as {100 * PROCESS_DEVIATION:g} %" in note for note in result.notes)


def test_equal_marks_are_one_process() -> None:
    baseline, candidate = timed(0, 5), timed(1, 5)
    one = replace(baseline, run=replace(baseline.run, evidence=Evidence(processes=("p",) * 5)))
    assert gate(one, candidate, 0.05).processes == (1, 5)
    narrow, wide = (gate(side, candidate, 0.05).total for side in (baseline, one))
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low


def test_many_unchanged_rows_do_not_fail_together() -> None:
    failed = [
        gate(timed(2 * seed, 4, rows=30), timed(2 * seed + 1, 4, rows=30), 0.0, ("operator",)).rows
        for seed in range(20)
    ]
    assert sum(any(row.verdict is Verdict.PAST for row in rows) for rows in failed) <= 2
    assert all(len(rows) == 30 for rows in failed)


def test_a_row_far_past_the_limit_is_caught_among_many() -> None:
    baseline, candidate = timed(0, 5, rows=20), timed(1, 5, rows=20)
    slow = timed(3, 5, factor=2.0).operators
    table = {name: list(candidate.operators[name].to_pylist()) for name in ("operator", "self_ns_per_step")}
    costs = dict(zip(table["operator"], table["self_ns_per_step"], strict=True))
    costs["aten::row7"] = slow["self_ns_per_step"].to_pylist()[0]
    result = gate(baseline, profile(costs, repeats=5, step_ns=candidate.run.step_ns), 0.05, ("operator",))
    assert [row.key for row in result.rows if row.verdict is Verdict.PAST] == [("aten::row7",)]
    assert result.total.verdict is not Verdict.PAST
    assert result.failed
    assert result.family == 20


def counted(**rows: int) -> Profile:
    return profile({f"aten::{name}": [cost, cost] for name, cost in rows.items()}, "self_instructions")


def test_instructions_are_judged_without_an_interval() -> None:
    baseline = counted(mm=1000, relu=9000)
    assert gate(baseline, counted(mm=1050, relu=9000), 0.05, ("operator",)).rows[0].verdict is Verdict.WITHIN
    result = gate(baseline, counted(mm=1051, relu=9000), 0.05, ("operator",))
    assert [(row.key, row.verdict) for row in result.rows if row.verdict is not Verdict.WITHIN] == [
        (("aten::mm",), Verdict.PAST)
    ]
    assert (result.total.verdict, result.total.change) == (Verdict.WITHIN, pytest.approx(0.0051))
    assert result.exact


def test_rows_below_a_hundredth_of_the_whole_are_not_judged() -> None:
    result = gate(counted(mm=10, relu=9990), counted(mm=20, relu=9990), 0.05, ("operator",))
    assert (len(result.rows), result.small, result.failed) == (1, 1, False)


def test_a_row_of_another_name_is_undecided_and_its_cost_is_in_the_total() -> None:
    renamed = gate(counted(mm=5000, relu=5000), counted(addmm=5000, relu=5000), 0.05, ("operator",))
    assert not renamed.failed
    assert {row.reason for row in renamed.rows if row.verdict is Verdict.UNDECIDED} == {
        "only in A: gone, new, or of another name", "only in B: gone, new, or of another name",
    }  # fmt: skip
    added = gate(counted(relu=5000), counted(relu=5000, mm=5000), 0.05, ("operator",))
    assert added.total.verdict is Verdict.PAST


def test_times_without_the_tool_are_taken_where_both_sides_have_them() -> None:
    rows = {"aten::mm": [5, 6] * 10}
    fast, slow = [100, 101] * 10, [200, 201] * 10
    result = gate(profile(rows, repeats=2, step_ns=fast), profile(rows, repeats=2, step_ns=slow), 0.05)
    assert (result.measured, result.total.verdict, result.total.baseline) == (PLAIN, Verdict.PAST, 100.5)
    without = gate(profile(rows, repeats=2), profile(rows, repeats=2, step_ns=slow), 0.05)
    assert (without.measured, without.total.verdict) == ("step times under torch", Verdict.WITHIN)


def test_other_units_leave_the_times_without_the_tool() -> None:
    fast, slow = [100, 101] * 10, [200, 201] * 10
    counts = profile({"aten::mm": [7] * 20}, "self_instructions", 2, slow)
    result = gate(profile({"aten::mm": [5] * 20}, "self_ns", 2, fast), counts, 0.05, ("operator",))
    assert (result.total.verdict, result.rows) == (Verdict.PAST, ())
    assert "A counts ns, B instructions" in result.notes[0]


def test_what_a_device_did_is_judged_apart() -> None:
    same, more = [100, 101] * 10, [200, 201] * 10
    sides = [profile({"gemm": costs}, repeats=2, device="cuda:0", step_ns=same) for costs in (same, more)]
    result = gate(*sides, 0.05, ("operator",))
    assert [(row.device, row.verdict) for row in result.rows] == [("device", Verdict.PAST)]


def test_times_that_do_not_divide_into_their_processes_are_said_to_be_of_one() -> None:
    marked = Run(tool="torch", evidence=Evidence(processes=tuple("abcde")))
    rows = {"aten::mm": [100, 101, 99, 100, 102, 100, 101, 99, 100, 103]}
    sides = [profile(rows, repeats=5, step_ns=[100, 101, 99, 100, 102, 100, 98], run=marked)] * 2
    found = gate(sides[0], sides[1], 0.05, ("operator",))
    assert found.processes == (1, 1)
    assert any("A has 1 and B 1 process:" in note for note in found.notes)
    assert any("intervals of rows are over 5 and 5 processes" in note for note in found.notes)


def without_step_lists(costs: dict[str, int], steps: int) -> Profile:
    columns = {"operator": list(costs), "device": ["cpu"] * len(costs), "self_ns": list(costs.values())}
    return Profile(Run(tool="other", steps=steps), table_from(OPERATORS, columns, len(costs)))


def test_times_whose_steps_cannot_be_told_apart_are_undecided() -> None:
    found = gate(without_step_lists({"aten::mm": 400}, 4), profile({"aten::mm": [100, 101]}), 0.05, ("operator",))
    assert (found.total.verdict, found.total.reason) == (Verdict.UNDECIDED, "A has no costs of single steps")
    assert found.notes[0] == "rows are undecided: A has no costs of single steps"


def test_counts_whose_steps_cannot_be_told_apart_are_those_of_a_step() -> None:
    columns = {"operator": ["aten::mm"], "device": ["cpu"], "self_instructions": [4000]}
    one = Profile(Run(tool="callgrind", steps=4), table_from(OPERATORS, columns, 1))
    found = gate(one, counted(mm=1000), 0.05, ("operator",))
    assert [(row.baseline, row.candidate, row.change) for row in (found.total, *found.rows)] == [(1000, 1000, 0)] * 2


def test_instructions_against_times_are_not_exact() -> None:
    counts, times = counted(mm=1000), profile({"aten::mm": [5, 6]})
    assert not gate(counts, times, 0.05).exact


ROWS = {"aten::mm": [100, 110, 105, 101]}
UNDECIDED = {
    "a single step": (profile({"aten::mm": [100]}), profile({"aten::mm": [200]}), "a single step"),
    "no time": (profile({"aten::mm": [0, 0]}), profile({"aten::mm": [5, 5]}), "no cost"),
    "steps of no time": (
        profile(ROWS, step_ns=[0, 5, 5, 5]),
        profile(ROWS, step_ns=[50, 50, 50, 50]),
        "steps that took no time",
    ),
    "samples": (profile(ROWS, "samples"), profile(ROWS, "samples"), "too coarse"),
    "units": (profile(ROWS), profile(ROWS, "self_instructions"), "A counts ns, B instructions"),
    "workloads": (
        profile(ROWS, run=Run(tool="torch", implementation="pytorch", workload="mnist_cnn")),
        profile({"aten::mm": [900] * 4}, run=Run(tool="torch", implementation="pytorch", workload="resnet18")),
        "other workload: mnist_cnn and resnet18",
    ),
    "options": (
        profile(ROWS, run=Run(tool="torch", implementation="pytorch", workload="resnet18", options={"width": 1})),
        profile(
            {"aten::mm": [900] * 4},
            run=Run(tool="torch", implementation="pytorch", workload="resnet18", options={"width": 2}),
        ),
        "other option width: 1 and 2",
    ),
    "machines": (
        profile(ROWS, run=Run(tool="torch", machine=MACHINE)),
        profile({"aten::mm": [900] * 4}, run=Run(tool="torch", machine=replace(MACHINE, cores=1))),
        "two machines",
    ),
}


@pytest.mark.parametrize("case", UNDECIDED)
def test_what_cannot_be_judged_says_why_and_fails_nothing(case: str) -> None:
    baseline, candidate, reason = UNDECIDED[case]
    for sides in ((baseline, candidate), (candidate, baseline)):
        result = gate(*sides, 0.05, ("operator",))
        words = result.total.reason
        assert result.total.verdict is Verdict.UNDECIDED
        assert reason in words or case in ("units", "workloads", "options")
        assert not result.failed
    assert reason in gate(baseline, candidate, 0.05).total.reason


def test_a_profile_held_against_itself_passes() -> None:
    one = timed(0, 3, rows=5)
    result = gate(one, one, 0.05, ("operator",))
    assert not result.failed
    assert {row.change for row in (result.total, *result.rows)} == {0.0}


@pytest.mark.parametrize(("text", "limit"), [("5%", 0.05), ("0.05", 0.05), (" 7.5 % ", 0.075), ("0", 0), ("200%", 2)])
def test_limits_are_percentages_or_fractions(text: str, limit: float) -> None:
    assert parse_limit(text) == pytest.approx(limit)


@pytest.mark.parametrize("text", ["", "%", "five", "-5%", "nan", "inf%", "5", "1", "0.05 percent"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"limit|could mean"):
        parse_limit(text)


PROGRAM = r"""
#include <cstdio>
#include <cstdlib>
__attribute__((noinline)) double scale(double* values, int size, int rounds) {
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < size; i++) values[i] = values[i] * 0.999 + 1e-3;
    return values[0];
}
__attribute__((noinline)) double sum(const double* values, int size, int rounds) {
    double total = 0;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < size; i++) total += values[i];
    return total;
}
int main(int, char** arguments) {
    static double values[1000];
    double result = sum(values, 1000, 1000) + scale(values, 1000, std::atoi(arguments[1]));
    std::printf("%g\n", result);
}
"""
Counted = Callable[[str, str], Profile]


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Counted:
    """Records a plain C++ program under callgrind, whose kernel `scale` does the rounds that it is told."""
    for program in ("valgrind", "g++"):
        if shutil.which(program) is None:
            pytest.skip(f"'{program}' is not on PATH")
    folder = tmp_path_factory.mktemp("program")
    (folder / "kernels.cpp").write_text(PROGRAM)
    subprocess.run(["g++", "-O1", "-g", "kernels.cpp", "-o", "kernels"], cwd=folder, check=True)

    def record(rounds: str, name: str) -> Profile:
        words = ["record", "--tool", "callgrind", "-o", f"{name}.json", "--", "./kernels", rounds]
        done = subprocess.run(
            [sys.executable, "-m", "profkit", *words], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return load(Path(folder, f"{name}.json"))

    return record


@pytest.fixture(scope="module")
def unchanged(counting: Counted) -> list[Profile]:
    """One program, recorded eleven times."""
    return [counting("100", f"run{number}") for number in range(11)]


def test_ten_real_reruns_that_were_counted_do_not_fail_even_without_a_limit_to_speak_of(
    unchanged: list[Profile],
) -> None:
    baseline, *reruns = unchanged
    results = [gate(baseline, rerun, 0.001, ("symbol",)) for rerun in reruns]
    assert [result.failed for result in results] == [False] * 10
    assert {result.total.verdict for result in results} == {Verdict.WITHIN}


def test_a_real_kernel_that_does_a_tenth_more_is_caught_by_its_symbol(
    unchanged: list[Profile], counting: Counted
) -> None:
    slower = counting("110", "slower")
    result = gate(unchanged[0], slower, 0.05, ("symbol",))
    past = [row for row in result.rows if row.verdict is Verdict.PAST]
    assert [str(row.key[0]).partition("(")[0] for row in past] == ["scale"]
    assert past[0].change == pytest.approx(0.1, abs=0.001)
    assert result.total.verdict is Verdict.WITHIN, "the kernel is a small part of the whole"
