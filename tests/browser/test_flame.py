"""The differential flame graph in a browser: its own page without any network, and speedscope's reading of the file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from profkit.flame_difference import difference_of
from profkit.flame_graph.difference import Difference, difference
from profkit.viewers.server import serving
from profkit.views.flame_files import write_flame
from tests.browser.test_viewers import sandwich, shown
from tests.flame_graph.test_difference import CPP, CPP_COUNTED, PYTHON, PYTHON_COUNTED, side

BEFORE = side(
    [(-1, "main", 0), (0, "same", 4000), (0, "gone", 2000), (0, "slower", 1000), (3, "inner", 1000)],
    name="pytorch",
    steps=2,
)
AFTER = side(
    [(-1, "main", 0), (0, "same", 4000), (0, "slower", 1000), (2, "inner", 3000), (0, "new", 2000)],
    name="pytorch",
    steps=2,
)
Open = Callable[[Difference, int], Chrome]


@pytest.fixture
def page(browser: Chrome, tmp_path: Path) -> Iterator[Open]:
    """Opens a difference as a page of some width, without any network."""

    def open_page(found: Difference, width: int = 1200) -> Chrome:
        file = tmp_path / "flame.html"
        write_flame(found, file)
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get_log("browser")
        browser.get(file.as_uri())
        return browser

    browser.execute_cdp_cmd("Network.enable", {})
    lost = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", lost)
    yield open_page
    found = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", found)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def frames(page: Chrome) -> dict[str, WebElement]:
    """Every frame that is drawn, by its name."""
    drawn = page.find_elements(By.CSS_SELECTOR, ".frame")
    return {(frame.get_attribute("aria-label") or "").partition(": A ")[0]: frame for frame in drawn}


def widths(page: Chrome) -> dict[str, int]:
    """Thousandths of the graph that each frame takes."""
    whole = page.find_element(By.ID, "graph").rect["width"]
    return {name: round(1000 * frame.rect["width"] / whole) for name, frame in frames(page).items()}


def choose(page: Chrome, width: str) -> None:
    page.find_element(By.CSS_SELECTOR, f"[name=width][value={width}]").click()


def test_frames_are_as_wide_as_their_cost_on_the_chosen_side(page: Open) -> None:
    shown_page = page(difference(BEFORE, AFTER), 1200)
    # Of A's 8000 and B's 10000.
    wanted = {
        "both": {"same": 444, "gone": 111, "slower": 333, "inner": 222, "new": 111},
        "a": {"same": 500, "gone": 250, "slower": 250, "inner": 125},
        "b": {"same": 400, "slower": 400, "inner": 300, "new": 200},
        "delta": {"gone": 333, "slower": 333, "inner": 333, "new": 333},
    }
    for choice, expected in wanted.items():
        choose(shown_page, choice)
        found = {name: width for name, width in widths(shown_page).items() if name not in ("all", "main")}
        assert found == pytest.approx(expected, abs=4), choice
    assert [entry for entry in shown_page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_less_is_blue_more_is_red_and_the_same_is_neither(page: Open) -> None:
    shown_page = page(difference(BEFORE, AFTER), 1200)
    picture = np.asarray(Image.open(io.BytesIO(shown_page.get_screenshot_as_png())).convert("RGB")).astype(int)
    colours = {}
    for name, frame in frames(shown_page).items():
        box = frame.rect
        colours[name] = picture[int(box["y"] + box["height"] - 4), int(box["x"] + box["width"] / 2)]
    red, blue = 0, 2
    assert colours["gone"][blue] - colours["gone"][red] > 100
    assert colours["new"][red] - colours["new"][blue] > 100
    assert colours["inner"][red] - colours["inner"][blue] > 50
    assert abs(colours["same"][red] - colours["same"][blue]) < 10


def test_the_mouse_tells_both_costs_the_difference_and_the_share(page: Open) -> None:
    shown_page = page(difference(BEFORE, AFTER), 1200)
    box = frames(shown_page)["inner"].rect
    shown_page.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": box["x"] + 5, "y": box["y"] + 5})
    words = shown_page.find_element(By.ID, "tip").text
    assert words.splitlines()[0] == "inner"
    assert "500 ns 12.5 %" in words
    assert "1.50 us 30.0 %" in words
    assert "+1.00 us +200.0 % of A" in words
    assert "a step" in words


def test_a_click_zooms_and_escape_shows_everything_again(page: Open) -> None:
    shown_page = page(difference(BEFORE, AFTER), 1200)
    frames(shown_page)["slower"].click()
    zoomed = widths(shown_page)
    assert {name: zoomed[name] for name in ("all", "main", "slower")} == pytest.approx(
        {"all": 1000, "main": 1000, "slower": 1000}, abs=3
    )
    assert zoomed["inner"] == pytest.approx(667, abs=4)
    assert "same" not in zoomed
    shown_page.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    assert "same" in widths(shown_page)


def test_the_keyboard_walks_zooms_and_searches(page: Open) -> None:
    shown_page = page(difference(BEFORE, AFTER), 1200)
    frames(shown_page)["all"].send_keys(Keys.ARROW_DOWN)
    shown_page.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert (shown_page.switch_to.active_element.get_attribute("aria-label") or "").startswith("same")
    shown_page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert (shown_page.switch_to.active_element.get_attribute("aria-label") or "").startswith("gone")
    assert shown_page.find_element(By.ID, "tip").text.startswith("gone")
    shown_page.switch_to.active_element.send_keys(Keys.ENTER)
    assert widths(shown_page)["gone"] == pytest.approx(1000, abs=3)
    shown_page.switch_to.active_element.send_keys(Keys.ESCAPE)
    shown_page.find_element(By.TAG_NAME, "body").send_keys("/")
    assert shown_page.switch_to.active_element.get_attribute("id") == "search"
    shown_page.switch_to.active_element.send_keys("SLOW")
    found = shown_page.find_element(By.ID, "found").text
    assert found == "1 found: A 1.00 us (25.0 %), B 2.00 us (40.0 %), B - A +1.00 us"
    faded = {name for name, frame in frames(shown_page).items() if "other" in (frame.get_attribute("class") or "")}
    assert "same" in faded
    assert "slower" not in faded


@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize(("left", "right"), [(PYTHON, CPP), (PYTHON_COUNTED, CPP_COUNTED)], ids=["timed", "counted"])
def test_a_real_difference_is_drawn_and_fits_into_narrow_windows(
    page: Open, left: Path, right: Path, width: int
) -> None:
    shown_page = page(difference_of(left, right), width)
    assert len(shown_page.find_elements(By.CSS_SELECTOR, ".frame")) > 50
    assert {"phase/forward", "layer/conv1"} <= frames(shown_page).keys()
    assert shown_page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    head = shown_page.find_element(By.TAG_NAME, "dl").text
    assert "mnist_cnn, pytorch" in head
    assert "mnist_cnn, libtorch" in head
    assert [entry for entry in shown_page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_nothing_at_all_is_drawn_without_complaints(page: Open) -> None:
    nothing = side([(-1, "main", 0)])
    shown_page = page(difference(nothing, nothing), 400)
    assert "all" in frames(shown_page)
    assert [entry for entry in shown_page.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize(("left", "right"), [(PYTHON, CPP), (PYTHON_COUNTED, CPP_COUNTED)], ids=["timed", "counted"])
def test_speedscopes_own_importer_reads_the_baseline(
    browser: Chrome, release: Path, tmp_path: Path, left: Path, right: Path
) -> None:
    found = difference_of(left, right)
    file = tmp_path / "flame.speedscope.json"
    write_flame(found, file)
    with serving(release, {f"/{file.name}": file}, 0, "") as port:
        browser.get("about:blank")
        address = f"http://127.0.0.1:{port}"
        browser.get(f"{address}/index.html#profileURL={quote(f'{address}/{file.name}')}")
        rows = sandwich(shown(browser))
    own: dict[str, float] = {}
    for label, cost in zip(found.labels, found.own[0].tolist(), strict=True):
        name = " ".join(label.split())
        own[name] = own.get(name, 0.0) + cost
    known = [(seen, own[name]) for name, _, seen in rows if name in own]
    assert len(known) > 10
    assert [seen for seen, _ in known] == pytest.approx([cost for _, cost in known], rel=0.01)
