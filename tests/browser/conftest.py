"""A real browser without a window, and speedscope as npm releases it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from profkit.viewers.speedscope import fetched

_PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver", "npm": "npm"}


def _needed(program: str) -> str:
    """Path of a program; without it these tests say nothing, and it can be installed."""
    path = shutil.which(program)
    if path is None:
        pytest.fail(f"'{program}' is not on PATH: apt-get install {_PROGRAMS[program]}")
    return path


@pytest.fixture(scope="session")
def release() -> Path:
    """The directory with speedscope's page."""
    _needed("npm")
    directory, reason = fetched(print)
    if directory is None:
        pytest.fail(reason)
    return directory


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """Chromium; WebGL is drawn by the processor."""
    options = ChromeOptions()
    options.binary_location = _needed("chromium")
    for argument in ("headless=new", "no-sandbox", "window-size=1400,900", "enable-unsafe-swiftshader"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(_needed("chromedriver")))
    yield driver
    driver.quit()
