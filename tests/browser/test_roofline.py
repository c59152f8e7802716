"""The chart of the roofline in a browser: whole, without the network, and it tells of a point what is known of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from profkit.roofline import rooflines
from profkit.views.roofline_chart import save_chart
from tests.small_roofline import PEAKS, profile, row

PATIENCE_S = 30


@pytest.fixture
def page(browser: Chrome, tmp_path: Path) -> Iterator[Chrome]:
    """The chart of one layer that does 100 MFLOP a step in 5 ms, without any network."""
    file = tmp_path / "roofline.html"
    one = profile(row(flop=200_000_000, traffic_bytes=20_000_000))
    save_chart([rooflines(one, PEAKS, ("layer", "phase"))], file)
    browser.execute_cdp_cmd("Network.enable", {})
    lost = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", lost)
    browser.get_log("browser")
    browser.get(file.as_uri())
    WebDriverWait(browser, PATIENCE_S).until(lambda page: page.find_elements(By.CSS_SELECTOR, "canvas, svg.marks"))
    yield browser
    found = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", found)


def test_the_page_draws_itself_without_complaints(page: Chrome) -> None:
    drawing = page.find_element(By.CSS_SELECTOR, "canvas, svg.marks")
    assert min(drawing.size.values()) > 200
    assert [entry["message"] for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def blue_places(page: Chrome) -> list[tuple[int, int]]:
    """Some pixels of the page that have the colour of the forward phase."""
    picture = np.asarray(Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB")).astype(int)
    down, right = np.nonzero(picture[:, :, 2] - picture[:, :, 0] > 80)
    return list(zip(right.tolist(), down.tolist(), strict=True))[::25]


def hovered(page: Chrome, x: int, y: int) -> str:
    """What a tooltip says where the mouse is moved to."""
    page.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
    return "".join(each.text for each in page.find_elements(By.CSS_SELECTOR, "#vg-tooltip-element.visible"))


def test_a_point_tells_its_layer_its_work_and_what_bounds_it(page: Chrome) -> None:
    told = (hovered(page, *place) for place in blue_places(page))
    words = next((text for text in told if text), "").split()
    assert {"fc", "forward", "100", "compute", "4.00"} <= set(words), words
