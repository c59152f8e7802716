"""The viewers themselves, in a browser: what profkit writes is what they show."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from profkit.export import material, write
from profkit.exporters import Exporter, Material
from profkit.flame_graph.forest import Frame, merged
from profkit.flame_graph.text import label, with_source
from profkit.registry import find
from profkit.viewers.server import serving
from tests.cli.test_open import end, free_port, opened

TRACES = Path(__file__).parents[2] / "traces" / "mnist_cnn"
PATIENCE_S = 60
Show = Callable[[Path], Chrome]


@pytest.fixture
def show(browser: Chrome, release: Path) -> Iterator[Show]:
    """Opens a file in speedscope's page and waits until its own importer has read it."""
    servers = []

    def show(file: Path) -> Chrome:
        server = serving(release, {f"/{file.name}": file}, 0, "")
        port = server.__enter__()
        servers.append(server)
        browser.get("about:blank")
        browser.get(f"http://127.0.0.1:{port}/index.html#profileURL={quote(f'http://127.0.0.1:{port}/{file.name}')}")
        return shown(browser)

    yield show
    for server in servers:
        server.__exit__(None, None, None)


def shown(browser: Chrome) -> Chrome:
    """Wait until a profile is drawn, and check that the page complains of nothing."""
    WebDriverWait(browser, PATIENCE_S).until(lambda page: "Sandwich" in page.find_element(By.TAG_NAME, "body").text)
    complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [text for text in complaints if "favicon" not in text] == []
    return browser


def sandwich(browser: Chrome) -> list[tuple[str, float, float]]:
    """The first rows of speedscope's table: name, total and self in its own unit, dearest self first."""
    browser.find_elements(By.XPATH, "//*[contains(text(),'Sandwich')]")[-1].click()
    rows = WebDriverWait(browser, PATIENCE_S).until(lambda page: page.find_elements(By.CSS_SELECTOR, "table tr"))
    found = []
    for row in rows:
        cells = [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
        if len(cells) == 3 and all(cells):  # the menu of several profiles is a table too, and hidden
            found.append((cells[2], number(cells[0]), number(cells[1])))
    return found


def number(cell: str) -> float:
    """`1.61ms (45%)` in nanoseconds, `2,313,830 (13%)` as it is."""
    match = re.match(r"([\d.,]+)(ns|µs|ms|s)?", cell)
    assert match, cell
    factor = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9, None: 1}[match[2]]
    return float(match[1].replace(",", "")) * factor


def own_costs(what: Material, name: Callable[[Frame], str]) -> dict[str, int]:
    """Self cost by name as HTML shows it, of the names that only one frame has; equal steps are one."""
    forest = merged(what.forest)
    names = [" ".join(name(frame).split()) for frame in forest.frames]
    sums: Counter[str] = Counter()
    for frame, cost in zip(forest.frame.tolist(), forest.costs[forest.metric].tolist(), strict=True):
        sums[names[frame]] += cost
    return {text: sums[text] for text, frames in Counter(names).items() if frames == 1}


@pytest.mark.parametrize("trace", ["pytorch/torch", "libtorch/callgrind"])
@pytest.mark.parametrize("format_name", ["speedscope", "collapsed", "pprof"])
def test_speedscopes_own_importer_reads_the_same_self_costs(
    show: Show, tmp_path: Path, format_name: str, trace: str
) -> None:
    what = material(TRACES / trace)
    exporter = find("profkit.exporters", Exporter, format_name)
    file = tmp_path / f"exported{exporter.suffix}"
    write(exporter, what, file)
    rows = sandwich(show(file))
    wanted = own_costs(what, with_source if format_name == "collapsed" else label)
    known = [(own, wanted[name]) for name, _, own in rows if name in wanted]
    assert len(known) > 10
    assert [own for own, _ in known] == pytest.approx([cost for _, cost in known], rel=0.01)


@pytest.mark.parametrize("trace", ["pytorch/torch", "libtorch/callgrind"])
def test_open_shows_the_profile_in_speedscope(browser: Chrome, release: Path, tmp_path: Path, trace: str) -> None:
    (tmp_path / "cache" / "viewers").mkdir(parents=True)
    (tmp_path / "cache" / "viewers" / release.name).symlink_to(release)
    with opened(tmp_path, TRACES / trace, "--in", "speedscope") as (told, process):
        browser.get("about:blank")
        browser.get(told["address"])
        shown(browser)
        assert browser.title == f"mnist_cnn, {trace.replace('/', ', ')} - speedscope"
        colours = WebDriverWait(browser, PATIENCE_S).until(lambda page: _colours(page, tmp_path / "speedscope.png"))
        assert colours > 20, "a flame graph has a colour for each frame"
        names = [name for name, _, _ in sandwich(browser)]
        assert len(names) > 10
        end(process)


def _colours(browser: Chrome, screenshot: Path) -> int:
    """Pale colours of any size on the page, 0 while nothing is drawn."""
    browser.save_screenshot(str(screenshot))
    pixels = np.asarray(Image.open(io.BytesIO(screenshot.read_bytes())).convert("RGB")).reshape(-1, 3)
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    chosen = (counts > 50) & (colours.max(axis=1) - colours.min(axis=1) > 10)
    return int(np.count_nonzero(chosen))


def test_tensorboards_page_has_the_plugin_and_lists_the_run(browser: Chrome, tmp_path: Path) -> None:
    arguments = (TRACES / "pytorch" / "torch", "--in", "tensorboard", "--port", str(free_port()))
    with opened(tmp_path, *arguments) as (told, process):
        browser.get(told["address"])
        wait = WebDriverWait(browser, PATIENCE_S)
        wait.until(lambda page: "PYTORCH_PROFILER" in page.find_element(By.TAG_NAME, "body").text)
        frame = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "iframe"))
        browser.switch_to.frame(frame)
        wait.until(lambda page: {"torch", "profkit"} <= set(page.find_element(By.TAG_NAME, "body").text.split()))
        browser.switch_to.default_content()
        browser.save_screenshot(str(tmp_path / "tensorboard.png"))
        end(process)
