"""The differential flame graph in the terminal and as files."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from profkit.errors import UsageError
from profkit.flame_difference import difference_of
from profkit.flame_graph.difference import Difference, difference
from profkit.views.flame import _label, _lines, _sums, flame_view
from profkit.views.flame_files import flame_html, flame_speedscope, write_flame
from tests.exporters.test_speedscope import FILE
from tests.flame_graph.test_difference import CPP, CPP_COUNTED, PYTHON, PYTHON_COUNTED, side

BEFORE = side([(-1, "main", 0), (0, "same", 500), (0, "gone", 100), (0, "slower", 200), (0, "tiny", 1)], steps=1)
AFTER = side([(-1, "main", 0), (0, "same", 500), (0, "slower", 500), (0, "tiny", 2)], steps=1)


@pytest.fixture(scope="module")
def found() -> Difference:
    return difference(BEFORE, AFTER)


@pytest.fixture(scope="module", params=[(PYTHON, CPP), (PYTHON_COUNTED, CPP_COUNTED)], ids=["timed", "counted"])
def real(request: pytest.FixtureRequest) -> Difference:
    return difference_of(*request.param)


def printed(found: Difference, top: int = 25) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=80, highlight=False, markup=False, color_system=None).print(flame_view(found, top))
    return text.getvalue().splitlines()


def flame_lines(found: Difference, top: int) -> list[tuple[int, str, float, float]]:
    """Depth, label, A and B of what is shown, not yet made fit for a terminal."""
    return [(line.depth, _label(found, line), *_sums(found, line)) for line in _lines(found, top)]


def test_callees_stand_below_their_caller_the_largest_difference_first(found: Difference) -> None:
    assert flame_lines(found, 10) == [
        (0, "main", 801, 1002),
        (1, "slower", 200, 500),
        (1, "gone", 100, 0),
        (1, "tiny", 1, 2),
        (1, "same", 500, 500),
    ]


def test_what_is_not_shown_is_summed_up(found: Difference) -> None:
    assert flame_lines(found, 2) == [(0, "main", 801, 1002), (1, "slower", 200, 500), (1, "(3 more)", 601, 502)]


def test_frames_that_only_hand_on_are_one_line() -> None:
    calls = [(-1, "layer/fc", 0), (0, "a", 0), (1, "b", 0), (2, "c", 50), (2, "d", 50)]
    shown = flame_lines(difference(side(calls, steps=1), side(calls[:-1], steps=1)), 10)
    assert [label for _, label, _, _ in shown] == ["layer/fc", "… b", "d", "c"]


def test_both_sides_are_named_and_bars_point_to_their_sign(found: Difference) -> None:
    lines = printed(found)
    assert lines[:2] == ["A  one", "B  one"]
    slower, gone = (next(line for line in lines if name in line) for name in ("slower", "gone"))
    assert "+300" in slower
    assert "│█" in slower
    assert "-100" in gone
    assert "█│" in gone


@pytest.mark.parametrize("top", [5, 40])
def test_a_real_difference_fits_into_eighty_columns(real: Difference, top: int) -> None:
    lines = printed(real, top)
    assert all(len(line) <= 80 for line in lines)
    assert any("phase/forward" in line for line in lines)


def test_less_is_green_and_more_is_red(found: Difference) -> None:
    text = io.StringIO()
    Console(file=text, width=80, force_terminal=True, color_system="standard").print(flame_view(found))
    assert "\x1b[31m+300" in text.getvalue()
    assert "\x1b[32m-100" in text.getvalue()


def weights(file: dict[str, Any], start: str) -> Counter[str]:
    """Sum of the weights by leaf, of the profile whose name begins so."""
    profile = next(each for each in file["profiles"] if each["name"].startswith(start))
    frames = [frame["name"] for frame in file["shared"]["frames"]]
    sums: Counter[str] = Counter()
    for stack, weight in zip(profile["samples"], profile["weights"], strict=True):
        sums[frames[stack[-1]]] += weight
    assert profile["endValue"] == pytest.approx(sum(profile["weights"]))
    return sums


def test_speedscope_gets_both_sides_and_what_is_more_and_less(found: Difference) -> None:
    file = json.loads(flame_speedscope(found))
    assert weights(file, "A: one") == {"same": 500, "gone": 100, "slower": 200, "tiny": 1}
    assert weights(file, "B: one") == {"same": 500, "slower": 500, "tiny": 2}
    assert weights(file, "B - A: more in B") == {"slower": 300, "tiny": 1}
    assert weights(file, "B - A: less in B") == {"gone": 100}
    assert [profile["name"].endswith("[a step]") for profile in file["profiles"]] == [True] * 4


def test_the_file_for_speedscope_is_of_the_published_form(real: Difference) -> None:
    file = json.loads(flame_speedscope(real))
    schema = json.loads(json.dumps(FILE).replace('"integer", "minimum": 1', '"number", "exclusiveMinimum": 0'))
    jsonschema.validate(file, schema)
    assert sum(weights(file, "A: ").values()) == pytest.approx(real.whole[0])
    assert sum(weights(file, "B: ").values()) == pytest.approx(real.whole[1])
    more, less = (sum(weights(file, f"B - A: {word} in B").values()) for word in ("more", "less"))
    assert more - less == pytest.approx(real.whole[1] - real.whole[0])


def test_a_profile_against_itself_has_no_profile_of_differences(found: Difference) -> None:
    same = json.loads(flame_speedscope(difference(BEFORE, BEFORE)))
    assert [profile["name"][:2] for profile in same["profiles"]] == ["A:", "B:"]


def test_the_page_needs_nothing_from_elsewhere_and_no_name_becomes_html() -> None:
    evil = "</script><script>alert(1)</script><img src=x>"
    left = side([(-1, evil, 10)], name=evil, steps=1)
    page = flame_html(difference(left, left)).decode()
    assert "<img" not in page
    assert page.count("<script") == 2
    assert "http://" not in page
    assert "https://" not in page


def test_the_suffix_says_what_is_written(found: Difference, tmp_path: Path) -> None:
    for name, start in (("a.html", b"<!doctype html>"), ("a.speedscope.json", b"{"), ("b.json", b"{")):
        write_flame(found, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    write_flame(found, tmp_path / "a.html.gz")
    assert gzip.decompress((tmp_path / "a.html.gz").read_bytes()).startswith(b"<!doctype")
    with pytest.raises(UsageError, match=r"flame\.svg"):
        write_flame(found, tmp_path / "flame.svg")
