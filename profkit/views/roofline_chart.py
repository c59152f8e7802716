"""The roofline as a chart: intensity against FLOP/s under the roofs of the machine, both logarithmic."""

from __future__ import annotations

import io
import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt

from profkit.errors import UsageError
from profkit.roofline import Roofline, Row
from profkit.units import format_count, format_ns, format_share
from profkit.views.chart_look import SUBTITLE, Record
from profkit.views.charts import PHASE_COLOURS
from profkit.views.cost import name_of
from profkit.views.label_places import CHARACTER, LINE, Box, place_labels
from profkit.views.roofline import format_rate, sentence, verdict
from profkit.views.run import name, title
from profkit.write import write_whole

FORMATS: Mapping[str, dict[str, Any]] = {"png": {"scale_factor": 2}, "svg": {}, "html": {"inline": True}}
WIDTH, HEIGHT = 760, 460
LABELLED = 8
"""Points with most time left that have their names beside them."""
SHORTEST = 7
"""Pixels from which two points get an arrow."""
SHAPES = {"A": "circle", "B": "square"}

_ROOF_COLOUR = "#444444"
_NO_PHASE = "(no phase)"
_ARROW = "#333333"
_SMALLEST, _LARGEST = 24, 380
_MARGIN = 1.6
"""Factor of room beyond the outermost point."""


def check_format(path: Path) -> str:
    """The format that a file's name asks for.

    Raises:
        UsageError: it is none of PNG, SVG and HTML.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UsageError(
            f"a chart cannot be written as '{path.name}'", f"end it in {', '.join(f'.{s}' for s in FORMATS)}"
        )
    return suffix


def save_chart(profiles: Sequence[Sequence[Roofline]], path: Path) -> None:
    """Draw one profile, or two with arrows from the first to the second, to a PNG, SVG or HTML that needs no network.

    Args:
        profiles: of each one, the processor and the devices; drawn is the side with most work.
        path: of the file.

    Raises:
        UsageError: no place has both work and time, or the name of the file asks for no known format.
        WriteError: the file cannot be written.
    """
    suffix = check_format(path)
    drawn: io.BytesIO | io.StringIO = io.BytesIO() if suffix == "png" else io.StringIO()
    chart(_drawn(profiles)).save(drawn, format=suffix, **FORMATS[suffix])
    data = drawn.getvalue()
    write_whole(path, data.encode() if isinstance(data, str) else data)


def _drawn(profiles: Sequence[Sequence[Roofline]]) -> list[Roofline]:
    """The processor, or the devices, of every profile that has any."""
    work = {each.device: 0.0 for each in profiles[0]}
    for each in (each for found in profiles for each in found):
        work[each.device] = work.get(each.device, 0.0) + each.total.flop
    device = max(work, key=lambda name: work[name])
    return [each for found in profiles for each in found if each.device == device]


def chart(found: Sequence[Roofline]) -> Any:
    """The chart of one profile, or of two.

    Raises:
        UsageError: no place has both work and time.
    """
    records = points(found)
    if not records:
        raise UsageError(
            "no place has FLOP, bytes and time, so there is nothing to draw",
            "give another --by, or see the table without --chart",
        )
    plane = _plane(records, found)
    lines, texts = _roofs(found, plane)
    names = _names(records, _covered(lines, texts, plane), plane)
    roofs = alt.Chart(alt.InlineData(values=lines)).mark_line(color=_ROOF_COLOUR, strokeWidth=1.6, clip=True)
    layers = [
        plane.encode(roofs, detail="line:N"),
        _marks(records, found, plane),
        *_arrows(records, plane),
        *_texts(texts, plane),
        *names,
    ]
    return _dressed(alt.layer(*layers), found)


def points(found: Sequence[Roofline]) -> list[Record]:
    """One record a place that has FLOP, bytes and time."""
    return [
        _point(row, each, side)
        for side, each in zip("AB", found, strict=False)
        for row in each.rows
        if row.flop_per_s and row.intensity
    ]


def _point(row: Row, found: Roofline, side: str) -> Record:
    values = {dimension: name_of(value, dimension) for dimension, value in zip(found.by, row.key, strict=True)}
    place = " ".join(value for key, value in zip(row.key, values.values(), strict=True) if key is not None)
    over = row.reached is not None and row.reached > 1
    return {
        **values,
        "key": " ".join(map(str, row.key)),
        "place": place,
        "phase": values.get("phase", _NO_PHASE),
        "profile": f"{side} {name(found.run)}",
        "side": side,
        "x": row.intensity,
        "y": row.flop_per_s,
        "time": row.known_ns / 1e6,
        "left": row.left_ns / 1e6,
        "outline": "above the roof" if over else "bound by dispatch" if row.bound == "dispatch" else _USUAL,
        "time of it": format_ns(row.known_ns),
        "FLOP": format_count(row.flop),
        "bytes": format_rate(row.traffic_bytes, "B"),
        "achieved": format_rate(row.flop_per_s or 0.0, "FLOP/s"),
        "intensity": f"{row.intensity:.3g} FLOP/byte",
        "share of roof": format_share(row.reached or 0.0),
        "bound by": row.limit,
        "time left": format_ns(row.left_ns),
    }


_TIPS = ("time of it", "FLOP", "bytes", "intensity", "achieved", "share of roof", "bound by", "time left")


@dataclass(frozen=True)
class _Plane:
    """What the axes span; both are logarithmic."""

    x: tuple[float, float]
    y: tuple[float, float]

    def pixels(self, x: float, y: float) -> tuple[float, float]:
        """Place from the left and from the bottom."""
        return (
            WIDTH * math.log(x / self.x[0]) / math.log(self.x[1] / self.x[0]),
            HEIGHT * math.log(y / self.y[0]) / math.log(self.y[1] / self.y[0]),
        )

    def values(self, across: float, up: float) -> tuple[float, float]:
        """The opposite of `pixels`."""
        return (
            self.x[0] * (self.x[1] / self.x[0]) ** (across / WIDTH),
            self.y[0] * (self.y[1] / self.y[0]) ** (up / HEIGHT),
        )

    def encode(self, layer: Any, x: str = "x:Q", y: str = "y:Q", **more: Any) -> Any:
        """A layer on these axes."""
        axes = (
            (alt.X, x, "arithmetic intensity [FLOP/byte]", self.x),
            (alt.Y, y, "achieved [FLOP/s]", self.y),
        )
        encoded = [
            kind(field, title=title, axis=_axis(*span), scale=alt.Scale(type="log", domain=list(span), nice=False))
            for kind, field, title, span in axes
        ]
        return layer.encode(*encoded, **more)


def _axis(low: float, high: float) -> Any:
    """A tick at each power of ten, with an SI prefix from a thousand on."""
    ticks = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    prefixed = "replace(format(datum.value, '~s'), regexp('([A-Za-z])'), ' $1')"
    return alt.Axis(values=ticks, labelExpr=f"datum.value < 1000 ? format(datum.value, '~g') : {prefixed}", grid=True)


def _plane(records: Sequence[Record], found: Sequence[Roofline]) -> _Plane:
    """Room for every point, the ridge of the slowest level, and the highest roof with its name."""
    compute, memory = _rates(found)
    xs = [record["x"] for record in records]
    ys = [record["y"] for record in records]
    ridge = max(compute.values()) / min(memory.values()) if compute and memory else max(xs)
    low, high = min(ys), max([*ys, *compute.values()])
    return _Plane(
        (min(xs) / _MARGIN, max(*xs, ridge * 3) * _MARGIN), (low / _MARGIN, high * max(_MARGIN, (high / low) ** 0.08))
    )


def _rates(found: Sequence[Roofline]) -> tuple[dict[str, float], dict[str, float]]:
    """FLOP/s by type and bytes/s by level, of all profiles."""
    compute: dict[str, float] = {}
    memory: dict[str, float] = {}
    for each in found:
        for rates, more in ((compute, each.compute), (memory, each.memory)):
            for label, rate in more.items():
                rates[label] = max(rate, rates.get(label, 0.0))
    return compute, memory


def _roofs(found: Sequence[Roofline], plane: _Plane) -> tuple[list[Record], list[Record]]:
    """A slanted line for each level of memory up to the highest peak, a flat one for each type, and their names."""
    compute, memory = _rates(found)
    top = max(compute.values(), default=plane.y[1])
    lines: list[Record] = []
    texts: list[Record] = []
    for label, rate in memory.items():
        start, end = max(plane.x[0], plane.y[0] / rate), min(top / rate, plane.x[1])
        lines += [{"line": label, "x": start, "y": start * rate}, {"line": label, "x": end, "y": end * rate}]
        middle = start**0.4 * end**0.6
        text = f"{label} {format_rate(rate, 'B/s')}"
        texts.append({"x": middle, "y": middle * rate, "text": text, "turned": True})
    fastest = max(memory.values(), default=0.0)
    for label, rate in compute.items():
        start = max(plane.x[0], rate / fastest) if fastest else plane.x[0]
        lines += [{"line": label, "x": start, "y": rate}, {"line": label, "x": plane.x[1], "y": rate}]
        texts.append({"x": start, "y": rate, "text": f"{label} {format_rate(rate, 'FLOP/s')}", "turned": False})
    return lines, texts


def _covered(lines: Sequence[Record], texts: Sequence[Record], plane: _Plane) -> list[Box]:
    """What the roofs and their names cover."""
    boxes = []
    for start, end in itertools.pairwise(lines):
        if start["line"] == end["line"]:
            (x, y), (to_x, to_y) = plane.pixels(start["x"], start["y"]), plane.pixels(end["x"], end["y"])
            for part in range(101):
                across, up = x + (to_x - x) * part / 100, y + (to_y - y) * part / 100
                boxes.append(Box(across - 1, up - 1, across + 1, up + 1))
    for text in texts:
        x, y = plane.pixels(text["x"], text["y"])
        half = CHARACTER * 1.1 * len(text["text"]) / 2
        middle, rise = (x, half * 0.6) if text["turned"] else (x + half, LINE / 2)
        boxes.append(Box(middle - half, y - rise, middle + half, y + rise + LINE))
    return boxes


def _texts(texts: Sequence[Record], plane: _Plane) -> list[Any]:
    """Names along the roofs, slanted ones turned as their lines are, on a white ground."""
    across, up = plane.pixels(10 * plane.x[0], 10 * plane.y[0])
    layers = []
    for turned in (True, False):
        chosen = [text for text in texts if text["turned"] is turned]
        look: dict[str, Any] = {"angle": 360 - math.degrees(math.atan2(up, across))} if turned else {"align": "left"}
        grounds: tuple[dict[str, Any], ...] = ({"stroke": "white", "strokeWidth": 4}, {})
        for ground in grounds:
            base = alt.Chart(alt.InlineData(values=chosen))
            mark = base.mark_text(fontSize=11, color=_ROOF_COLOUR, dy=-8, **look, **ground)
            layers.append(plane.encode(mark, text="text:N"))
    return layers


def _marks(records: Sequence[Record], found: Sequence[Roofline], plane: _Plane) -> Any:
    """A point a place: size by time, colour by phase, shape by profile, outline by what is odd about it."""
    phases = [phase for phase in (*PHASE_COLOURS, _NO_PHASE) if any(r["phase"] == phase for r in records)]
    phases += sorted({r["phase"] for r in records} - set(phases))
    colours = alt.Scale(domain=phases, range=[PHASE_COLOURS.get(phase, "#777777") for phase in phases])
    profiles = list(dict.fromkeys(record["profile"] for record in records))
    shapes = alt.Scale(domain=profiles, range=[SHAPES[profile[0]] for profile in profiles])
    odd = [each for each in _STROKES if any(r["outline"] == each for r in records)]
    outline = alt.Scale(domain=[_USUAL, *odd], range=["#FFFFFF", *(_STROKES[each] for each in odd)])
    head = [alt.Tooltip(f"{field}:N") for field in dict.fromkeys(("profile", *found[0].by))]
    longest = max(record["time"] for record in records)
    sizes = alt.Scale(domain=[0, longest or 1.0], range=[_SMALLEST, _LARGEST])
    opacities = [0.35, 0.85] if len(profiles) > 1 else [0.8, 0.8]
    time = "time of a step [ms]" if found[0].steps else "time [ms]"
    encoded: dict[str, Any] = {
        "size": alt.Size("time:Q", title=time, scale=sizes, legend=alt.Legend(tickCount=4, symbolStrokeWidth=0)),
        "opacity": alt.Opacity("side:N", scale=alt.Scale(domain=["A", "B"], range=opacities), legend=None),
        "color": alt.Color("phase:N", title="phase", scale=colours, sort=phases, legend=_legend(phases)),
        "stroke": alt.Stroke("outline:N", title="outline", scale=outline, legend=_legend(odd, least=1, hollow=True)),
        "shape": alt.Shape("profile:N", title="profile", scale=shapes, legend=_legend(profiles)),
    }
    order = sorted(records, key=lambda record: -record["time"])  # small ones stay visible before large ones
    marks = alt.Chart(alt.InlineData(values=order)).mark_point(filled=True, strokeWidth=1.2)
    tips = [*head, *(alt.Tooltip(f"{field}:N") for field in _TIPS)]
    return plane.encode(marks, tooltip=tips, **encoded)


_USUAL = "below the roof"
_STROKES = {"bound by dispatch": "#CC79A7", "above the roof": "#D50000"}


def _legend(values: Sequence[str], *, least: int = 2, hollow: bool = False) -> Any:
    """A legend of these values; none where there are too few to tell apart."""
    if len(values) < least:
        return None
    more = {"symbolFillColor": "transparent"} if hollow else {"symbolStrokeWidth": 0}
    return alt.Legend(values=list(values), symbolOpacity=1, symbolSize=110, **more)


def _names(records: Sequence[Record], covered: Sequence[Box], plane: _Plane) -> list[Any]:
    """The names of the places with most time left, with a thin line where they stand apart from their points."""
    longest = max(record["time"] for record in records) or 1.0
    taken = [*covered, *(_around(plane.pixels(each["x"], each["y"]), each["time"] / longest) for each in records)]
    shown: dict[str, Record] = {}
    for record in sorted(records, key=lambda each: (-each["left"], each["side"])):
        shown.setdefault(record["key"], record)
    named = [(each["place"], *plane.pixels(each["x"], each["y"])) for each in list(shown.values())[:LABELLED]]
    rows = []
    for label in place_labels(named, taken, (WIDTH, HEIGHT)):
        (x, y), (edge_x, edge_y), (at_x, at_y) = (plane.values(*each) for each in (label.point, label.edge, label.at))
        rows.append({"x": at_x, "y": at_y, "from": x, "over": y, "edge": edge_x, "up": edge_y, "text": label.text})
    base = alt.Chart(alt.InlineData(values=rows))
    line = base.mark_rule(color="#888888", strokeWidth=0.7)
    text = base.mark_text(fontSize=10, color="#222222")
    return [plane.encode(line, "from:Q", "over:Q", x2="edge:Q", y2="up:Q"), plane.encode(text, text="text:N")]


def _around(at: tuple[float, float], part: float) -> Box:
    """The square that a point covers."""
    half = math.sqrt(max(_SMALLEST, _LARGEST * part)) / 2
    return Box(at[0] - half, at[1] - half, at[0] + half, at[1] + half)


def _arrows(records: Sequence[Record], plane: _Plane) -> list[Any]:
    """From each place of the first profile to the same one of the second, where they are apart enough to be seen."""
    sides: dict[str, dict[str, Record]] = {}
    for record in records:
        sides.setdefault(record["key"], {})[record["side"]] = record
    arrows = []
    for a, b in ((each["A"], each["B"]) for each in sides.values() if len(each) == 2):
        (from_x, from_y), (to_x, to_y) = plane.pixels(a["x"], a["y"]), plane.pixels(b["x"], b["y"])
        if math.hypot(to_x - from_x, to_y - from_y) >= SHORTEST:
            angle = math.degrees(math.atan2(to_x - from_x, to_y - from_y))
            arrows.append({"x": a["x"], "y": a["y"], "to_x": b["x"], "to_y": b["y"], "angle": angle})
    if not arrows:
        return []
    base = alt.Chart(alt.InlineData(values=arrows))
    rule = base.mark_rule(color=_ARROW, strokeWidth=1.2)
    head = base.mark_point(shape="triangle", filled=True, color=_ARROW, size=36, opacity=1)
    turn = alt.Angle("angle:Q", scale=None)
    return [
        plane.encode(rule, x2="to_x:Q", y2="to_y:Q"),
        plane.encode(head, "to_x:Q", "to_y:Q", angle=turn),
    ]


def _dressed(drawing: Any, found: Sequence[Roofline]) -> Any:
    """The chart under its title, on white."""
    if len(found) == 1:
        said = [title(found[0].run), sentence(found[0])]
    else:
        said = [f"{side}: {title(each.run)}" for side, each in zip("AB", found, strict=False)]
        said += verdict(found[0], found[1])[:2]
    peaks = found[0].peaks
    said.append(f"roofs of {peaks.name} ({peaks.source})")
    lines = [line for text in said for line in textwrap.wrap(text, int(SUBTITLE * 1.5))]
    heading = alt.TitleParams(
        _heading(found), subtitle=lines, anchor="start", fontSize=16, subtitleColor="#555555", offset=14
    )
    return (
        drawing.properties(title=heading, background="white", width=WIDTH, height=HEIGHT)
        .configure_view(stroke="#DDDDDD")
        .configure_axis(gridColor="#EEEEEE", labelFontSize=11, titleFontSize=12, titleFontWeight="normal")
        .configure_legend(orient="right", labelFontSize=12, titleFontSize=12)
    )


def _heading(found: Sequence[Roofline]) -> str:
    workload = found[0].run.workload
    where = "" if found[0].device == "cpu" else ", on the device"
    return f"Roofline{f' of {workload}' if workload else ''}{where}"
