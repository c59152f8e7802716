"""What was measured of each change, as people and as programs read it."""

from __future__ import annotations

import json
from dataclasses import replace

from rich.console import Console

from profkit.rerun import Measured, Ratio, Tried, Untried, WhatIf
from profkit.views.what_if import what_if_json, what_if_view
from profkit.what_if import Statistic
from tests.what_if.recorded import run_of


def tried(label: str, side: str, worth: Ratio, change: str = "threads") -> Tried:
    return Tried(
        side=side,
        change=change,
        label=label,
        statistic=Statistic.MEDIAN,
        measured=Measured([(500, 500), (500, 500)]),
        worth=worth,
        gap_before=Ratio(2.0, 1.9, 2.1),
        gap_after=Ratio(1.25, 1.2, 1.3),
        seen={"threads": ("1", "2")},
    )


RESULTS = WhatIf(
    runs={"A": run_of(), "B": run_of("libtorch")},
    unchanged={"A": Measured([(1000, 1000), (1000, 1000)]), "B": Measured([(2000, 2000), (2000, 2000)])},
    gap=Ratio(2.0, 1.9, 2.1),
    tried=(
        tried("2 threads", "B", Ratio(0.62, 0.6, 0.65)),
        tried("a debug build", "B", Ratio(3.4, 3.1, 3.7), "build_type"),
        tried("subnormal numbers as zero", "A", Ratio(1.01, 0.98, 1.04), "flush_denormals"),
    ),
    untried=(Untried("A", "cudnn", "it computes on cpu"),),
    rounds=2,
    steps={"A": 2, "B": 2},
)


def text_of(results: WhatIf) -> str:
    console = Console(width=80, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(what_if_view(results))
    return capture.get()


def line_with(text: str, words: str) -> str:
    return next(line for line in text.splitlines() if words in line and "%" in line)


def test_the_answer_names_what_is_worth_something_the_largest_first() -> None:
    text = " ".join(text_of(RESULTS).split())
    assert "A (pytorch) 1.00 us a step, B (libtorch) 2.00 us a step: B takes 2x (1.9 to 2.1) of A" in text
    assert text.index("B with a debug build: 3.4x") < text.index("B with 2 threads: -38.0 %")
    assert "B takes 1.25x of A in place of 2x" in text
    assert "A with subnormal" not in text


def test_each_row_has_its_interval_and_its_verdict() -> None:
    text = text_of(RESULTS)
    assert "-38.0 %  -40.0 % .. -35.0 %" in line_with(text, "B: 2 threads")
    assert line_with(text, "B: 2 threads").rstrip().endswith("faster")
    noise = next(line for line in text.splitlines() if line.startswith("A: subnormal"))
    assert "noise" in noise
    assert all(len(line) <= 80 for line in text.splitlines())


def test_what_was_not_tried_is_told_with_the_reason() -> None:
    assert "not tried: cudnn of A: it computes on cpu" in text_of(RESULTS)


def test_nothing_worth_anything_says_so() -> None:
    assert "No change is worth more than the noise." in text_of(replace(RESULTS, tried=RESULTS.tried[2:]))
    assert "Nothing was changed." in text_of(replace(RESULTS, tried=()))


def test_an_interrupted_measurement_says_so() -> None:
    assert "interrupted" in text_of(replace(RESULTS, interrupted=True))
    assert "interrupted" not in text_of(RESULTS)


def test_json_has_every_number() -> None:
    told = json.loads(json.dumps(what_if_json(RESULTS), allow_nan=False))
    first = told["tried"][0]
    assert first["worth"] == {"value": 0.62, "low": 0.6, "high": 0.65, "verdict": "faster"}
    assert (first["side"], first["change"], first["seen"]) == ("B", "threads", {"threads": ["1", "2"]})
    assert first["step_ns"] == [[500, 500], [500, 500]]
    assert told["untried"] == [{"side": "A", "change": "cudnn", "reason": "it computes on cpu"}]
    assert told["unchanged"]["A"]["typical_ns"] == 1000
