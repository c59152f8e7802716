"""What a user reads: the sentences, and tables that fit into eighty columns."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from profkit.comparison import FINEST
from profkit.profile import Profile
from profkit.run import Agreement, Run
from profkit.schema import OPERATORS, table_from
from profkit.views.diff import diff_json, diff_rows, diff_view

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


def text_of(a: Profile, b: Profile) -> str:
    out = io.StringIO()
    Console(file=out, width=80, markup=False, highlight=False).print(diff_view(a, b, FINEST, 10))
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


def test_nothing_is_wider_than_eighty_columns(exact: tuple[Profile, Profile]) -> None:
    assert max(map(len, text_of(*exact).splitlines())) <= 80


def test_missing_agreement_other_work_and_disagreement_are_said_clearly(exact: tuple[Profile, Profile]) -> None:
    a, b = exact
    unknown = replace(b, run=replace(b.run, agreement=None))
    assert "agreement unknown: nobody checked that B computes" in text_of(a, unknown)
    other = replace(b, run=replace(b.run, bundle_sha256="b"))
    assert "NOT THE SAME WORK" in text_of(a, other)
    wrong = replace(b, run=replace(b.run, agreement=replace(AGREES, weight=0.5)))
    assert "libtorch DISAGREES with pytorch" in text_of(a, wrong)
    nan = replace(b, run=replace(b.run, agreement=replace(AGREES, output=float("nan"))))
    assert "libtorch DISAGREES with pytorch" in text_of(a, nan)


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


def test_json_and_csv_have_every_row(exact: tuple[Profile, Profile]) -> None:
    heads, rows = diff_rows(*exact, FINEST)
    assert len(rows) == 4
    body = diff_json(*exact, FINEST)
    assert [set(row) for row in body["rows"]] == [set(heads)] * 4
    assert body["unit"] == "instructions"
    assert body["answer"][0].startswith("libtorch agrees")
