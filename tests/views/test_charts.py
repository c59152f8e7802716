"""Charts: which there are, that each is whole, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profkit.measures import Results
from profkit.views.charts import charts, save_charts
from tests.small_results import cell, report, results
from tests.views.whole_charts import assert_whole


def swept(epochs: int, mode: str = "train") -> Results:
    places = [
        cell(name, size, mode, kernel_size=kernel)
        for size in (8, 32)
        for kernel in (3, 5)
        for name in ("pytorch", "libtorch")
    ]
    runs = [(place, report([20, 40 + repeat], epochs=epochs)) for place in places for repeat in range(3)]
    return results(runs, epochs=epochs or None, mode=mode)


def values(specification: Any, key: str) -> set[str]:
    """Everything that stands under a key, anywhere in a chart."""
    if isinstance(specification, list):
        return {value for each in specification for value in values(each, key)}
    if not isinstance(specification, dict):
        return set()
    own = {str(specification[key])} if key in specification else set()
    return own | {value for each in specification.values() for value in values(each, key)}


def test_each_swept_option_has_its_charts_and_training_has_its_curves() -> None:
    assert set(charts(swept(epochs=2))) == {
        *(
            f"{what}-by-{axis}"
            for what in ("time", "throughput", "improvement")
            for axis in ("batch_size", "kernel_size")
        ),
        "loss-by-epoch",
        "accuracy-by-epoch",
        "time-split",
    }


def test_latency_has_percentiles_and_nothing_has_curves_without_epochs() -> None:
    drawn = set(charts(swept(epochs=0, mode="latency")))
    assert "percentiles" in drawn
    assert not {"loss-by-epoch", "accuracy-by-epoch"} & drawn


def test_where_nothing_is_swept_implementations_stand_side_by_side() -> None:
    found = results([(cell("pytorch"), report([10, 12])), (cell("libtorch"), report([9, 9]))])
    assert set(charts(found)) == {
        "time-by-implementation", "throughput-by-implementation", "improvement-by-implementation", "time-split"
    }  # fmt: skip
    assert "improvement-by-implementation" not in charts(results([(cell("pytorch"), report([10, 12]))]))
    assert charts(results([], implementation=["pytorch"])) == {}


def test_a_combination_that_is_missing_leaves_every_panel_under_its_own_heading() -> None:
    places = [cell("pytorch", size, kernel_size=kernel) for size, kernel in ((8, 3), (8, 5), (32, 3), (64, 5))]
    drawn = charts(results([(place, report([10, 12])) for place in places]))["time-by-kernel_size"]
    shown = json.loads(drawn.to_json())
    assert shown["facet"]["sort"] == ["batch size 8", "batch size 32", "batch size 64"]
    assert {(each["panel"], each["x"]) for each in next(iter(shown["datasets"].values()))} == {
        ("batch size 8", 3), ("batch size 8", 5), ("batch size 32", 3), ("batch size 64", 5)
    }  # fmt: skip


def test_axes_of_too_many_values_have_lines_instead_of_panels() -> None:
    places = [cell("pytorch", size, kernel_size=3, seed_like=seed) for size in (8, 32) for seed in range(20)]
    drawn = charts(results([(place, report([10, 12])) for place in places]))["time-by-batch_size"]
    assert "facet" not in json.loads(drawn.to_json())
    assert "seed_like" in drawn.to_json()


def test_axes_have_units_and_batch_size_is_logarithmic() -> None:
    drawn = charts(swept(epochs=2))
    by_size = json.loads(drawn["time-by-batch_size"].to_json())
    assert {"batch size [samples]", "time of an epoch [s]"} <= values(by_size, "title")
    assert "log" in values(by_size, "type")
    by_kernel = json.loads(drawn["improvement-by-kernel_size"].to_json())
    assert "time saved against pytorch [%]" in values(by_kernel, "title")
    assert "log" not in values(by_kernel, "type")


@pytest.mark.parametrize("suffix", ["png", "svg", "html"])
def test_every_chart_is_saved_whole_in_every_format(tmp_path: Path, suffix: str) -> None:
    found = results(
        [(cell("pytorch"), report([10, 12], epochs=2)), (cell("libtorch"), report([9, 9], epochs=2))], epochs=2
    )
    said: list[str] = []
    written = save_charts(found, tmp_path / "charts", said.append)
    assert {path.stem for path in written} == set(charts(found))
    for path in (path.with_suffix(f".{suffix}") for path in written):
        assert_whole(path, 800)
