"""What a user reads: the sentences, and tables that fit into eighty columns."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from profkit.comparison import FINEST, diff
from profkit.profile import Profile
from profkit.run import Agreement, Run
from profkit.schema import OPERATORS, table_from
from profkit.views.diff import agreement_lines, diff_json, diff_rows, diff_view

AGREES = Agreement("pytorch", 20, 1e-7, 0.0, 1e-7, 2e-7, 1e-5)
Rows = list[tuple[str | None, str, str | None, str, list[int]]]


def profile(run: Run, metric: str, rows: Rows) -> Profile:
    """A profile from (layer, phase, operator, category, cost in each step)."""
    layer, phase, operator, category, per_step = zip(*rows, strict=True)
    columns = {
        "layer": list(layer),
        "phase": list(phase),
        "operator": list(operator),
        "category": list(category),
        "device": ["cpu"] * len(rows),
        metric: [sum(costs) for costs in per_step],
        f"{metric}_per_step": list(per_step),
    }
    steps = len(per_step[0])
    return Profile(replace(run, steps=steps), table_from(OPERATORS, columns, len(rows)))


PYTHON = Run(tool="callgrind", implementation="pytorch", bundle_sha256="a", agreement=replace(AGREES, loss=0, weight=0))
CPP = Run(tool="callgrind", implementation="libtorch", bundle_sha256="a", agreement=AGREES)
A_ROWS: Rows = [
    ("conv1", "forward", "aten::conv2d", "kernel", [9_000_000, 9_000_000]),
    ("conv1", "forward", None, "interpreter", [900_000, 900_000]),
    (None, "optimizer", None, "binding", [100_000, 100_000]),
]
B_ROWS: Rows = [
    ("conv1", "forward", "aten::conv2d", "kernel", [9_000_100, 9_000_100]),
    (None, "optimizer", "aten::mul", "dispatch", [50_000, 50_000]),
]


def text_of(a: Profile, b: Profile, by: tuple[str, ...] = FINEST) -> str:
    out = io.StringIO()
    Console(file=out, width=80, markup=False, highlight=False).print(diff_view(a, b, by, 10))
    return out.getvalue()


@pytest.fixture
def exact() -> tuple[Profile, Profile]:
    return profile(PYTHON, "self_instructions", A_ROWS), profile(CPP, "self_instructions", B_ROWS)


def test_agreement_comes_first_and_then_the_answer(exact: tuple[Profile, Profile]) -> None:
    said = " ".join(text_of(*exact).split())
    assert said.startswith("libtorch agrees with pytorch over 20 training steps")
    assert "A pytorch 10.0 M instructions, B libtorch 9.05 M instructions a step: B has 9.5 % fewer (-950 k" in said
    assert "The gap by category: interpreter -900 k, binding -100 k, dispatch +50.0 k, kernel +100." in said
    assert "Python itself (interpreter and binding) costs A 1.00 M a step, 10.0 % of its whole." in said
    assert "costs B" not in said
    assert "Only in B (50.0 k in all): optimizer aten::mul 50.0 k." in said


def test_categories_are_not_shown_twice(exact: tuple[Profile, Profile]) -> None:
    assert "\nby category" in text_of(*exact)
    assert text_of(*exact, ("category",)).count("\nby category") == 1


def test_nothing_is_wider_than_eighty_columns(exact: tuple[Profile, Profile]) -> None:
    assert max(map(len, text_of(*exact).splitlines())) <= 80


def test_missing_agreement_other_work_and_disagreement_are_said_clearly(exact: tuple[Profile, Profile]) -> None:
    a, b = exact
    unknown = replace(b, run=replace(b.run, agreement=None))
    assert "agreement unknown: nobody checked that B computes what A does" in text_of(a, unknown)
    other = replace(b, run=replace(b.run, bundle_sha256="b"))
    assert "not the same bundle: the two runs had other weights, batches or options" in text_of(a, other)
    wrong = replace(b, run=replace(b.run, agreement=replace(AGREES, weight=0.5)))
    assert "libtorch DISAGREES with pytorch" in text_of(a, wrong)
    nan = replace(b, run=replace(b.run, agreement=replace(AGREES, output=float("nan"))))
    assert "libtorch DISAGREES with pytorch" in text_of(a, nan)


def test_what_the_other_side_was_compared_with_has_been_compared() -> None:
    (line,) = agreement_lines(replace(PYTHON, agreement=None), CPP)
    assert line.startswith("libtorch agrees with pytorch")
    assert agreement_lines(replace(CPP, implementation="numba-cpu", agreement=None), CPP)[0] == (
        "agreement unknown: nobody checked that A computes what B does"
    )


def test_two_programs_that_nobody_compared_are_told_as_such() -> None:
    lines = agreement_lines(replace(PYTHON, agreement=None), replace(CPP, agreement=None))
    assert lines == ["agreement unknown: nobody compared what A and B compute"]


def test_a_recording_agrees_with_itself() -> None:
    trace = Run(tool="torch", artefact_sha256=("ab" * 32,))
    assert agreement_lines(trace, trace) == ["A and B are one recording"]


def test_the_same_weights_and_batches_are_claimed_of_equal_bundles_only() -> None:
    assert agreement_lines(PYTHON, PYTHON) == ["both are pytorch, on the same weights and batches"]
    unknown = replace(PYTHON, bundle_sha256=None)
    assert agreement_lines(unknown, unknown) == ["both are pytorch"]


def test_steps_of_other_batches_are_told_with_their_samples(exact: tuple[Profile, Profile]) -> None:
    a, b = exact
    sized = [replace(side, run=replace(side.run, batch_size=size)) for side, size in ((a, 1), (b, 512))]
    said = " ".join(text_of(*sized).split())
    assert "A pytorch 10.0 M instructions, B libtorch 9.05 M instructions a step (of 1 and of 512 samples): B" in said
    assert "samples" not in " ".join(text_of(sized[0], sized[0]).split()).partition("a step")[2][:20]


def test_profiles_of_different_units_are_compared_by_shares_only(exact: tuple[Profile, Profile]) -> None:
    timed = profile(replace(CPP, tool="torch"), "self_ns", B_ROWS)
    said = " ".join(text_of(exact[0], timed).split())
    assert "The two tools measure different things (callgrind, torch): only shares of each whole are compared." in said
    assert " ms" not in said


def test_times_within_the_noise_are_the_same() -> None:
    rows: Rows = [("conv1", "forward", "aten::conv2d", "kernel", [100_000, 120_000, 110_000])]
    noise: Rows = [("conv1", "forward", "aten::conv2d", "kernel", [118_000, 99_000, 112_000])]
    said = " ".join(text_of(profile(PYTHON, "self_ns", rows), profile(CPP, "self_ns", noise)).split())
    assert "A pytorch 110 us, B libtorch 110 us a step: the same within the noise." in said


def test_without_an_interval_nothing_is_said_of_noise() -> None:
    rows: Rows = [("conv1", "forward", "aten::conv2d", "kernel", [100_000])]
    said = " ".join(text_of(profile(PYTHON, "self_ns", rows), profile(CPP, "self_ns", rows)).split())
    assert "A pytorch 100 us, B libtorch 100 us a step: the same." in said
    assert "could have found" not in said


def test_what_times_could_have_found_is_told_with_the_effect_size() -> None:
    rows: Rows = [("conv1", "forward", "aten::conv2d", "kernel", [100_000, 120_000, 110_000])]
    more: Rows = [("conv1", "forward", "aten::conv2d", "kernel", [115_000, 121_000, 130_000])]
    a, b = profile(PYTHON, "self_ns", rows), profile(CPP, "self_ns", more)
    said = " ".join(text_of(a, b).split())
    (total,) = diff(a, b, ("category",)).rows
    assert total.detectable is not None
    smallest = f"{total.detectable / 1000:.1f} us ({total.detectable / 1100:.1f} %)"
    assert f"The smallest difference that this could have found: {smallest}; effect size +0.78 (Cliff's" in said
    heads, (row,) = diff_rows(a, b, FINEST)
    told = dict(zip(heads, row, strict=True))
    assert (told["effect_size"], told["detectable"]) == (pytest.approx(7 / 9), pytest.approx(total.detectable))


def test_samples_of_different_periods_say_so() -> None:
    columns = {"operator": ["aten::conv2d"], "device": ["cpu"], "samples": [80]}
    table = table_from(OPERATORS, columns, 1)
    sides = [Profile(Run(tool="py-spy", steps=4, sampling_period_ns=period), table) for period in (1000, 2000)]
    assert "A and B count at different periods: only shares" in " ".join(text_of(sides[0], sides[1]).split())


def test_json_and_csv_have_every_row(exact: tuple[Profile, Profile]) -> None:
    heads, rows = diff_rows(*exact, FINEST)
    assert len(rows) == 4
    body = diff_json(*exact, FINEST)
    assert [set(row) for row in body["rows"]] == [set(heads)] * 4
    assert body["unit"] == "instructions"
    assert body["answer"][0].startswith("libtorch agrees")
