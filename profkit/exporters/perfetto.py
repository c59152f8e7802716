"""Perfetto: Chrome trace JSON whose slices nest strictly, one track a thread, and tracks of layers and phases."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from profkit import schema
from profkit.columns import Ints
from profkit.exporters import Exporter, Material
from profkit.flame_graph.chrome import PLACES, PROCESS, complete, named_track, process, spans
from profkit.flame_graph.forest import Forest, in_time
from profkit.flame_graph.text import chosen, microseconds, quantity, rows_of_text


def render(material: Material) -> bytes:
    """The trace; where the tool knows no times, a unit of cost is drawn as a nanosecond."""
    forest, start, end = in_time(material.forest)
    # Named as torch names them, steps would make readers take the file for a trace of torch.
    frames = [replace(frame, name=re.sub(r"^ProfilerStep#", "step ", frame.name)) for frame in forest.frames]
    forest = replace(forest, frames=tuple(frames))
    run = material.profile.run
    name = ", ".join(part for part in (run.workload, run.implementation, run.tool) if part)
    unit = "" if forest.start is not None else f" [1 ns = 1 of {quantity(forest.metric)}]"
    events = [process(name + unit)]
    tid = np.zeros(len(forest.threads), np.int64)
    track = 0
    for code, thread in enumerate(forest.threads):
        for title, codes, names, apart in _places(forest):
            slices = _slices(forest, np.where(forest.thread == code, codes, -1), names, apart, start, end, track + 1)
            if slices:
                track += 1
                events += [named_track(track, f"{title}: {thread}" if len(forest.threads) > 1 else title), slices]
        track += 1
        tid[code] = track
        events.append(named_track(track, thread))
    category = chosen([frame.kind for frame in forest.frames], forest.frame)
    events.append(complete(forest, start, end, tid[forest.thread], category))
    return b'{"displayTimeUnit":"ns","traceEvents":[\n' + b",\n".join(events) + b"\n]}\n"


def _places(forest: Forest) -> tuple[tuple[str, Ints, tuple[str, ...], Ints], ...]:
    """Title, codes and names of each kind of place, and what keeps two spans of one code apart."""
    return (
        ("phases", forest.phase, schema.PHASES, forest.layer * 0),
        ("layers", forest.layer, forest.layers, forest.phase),
    )


def _slices(
    forest: Forest, codes: Ints, names: tuple[str, ...], apart: Ints, start: Ints, end: Ints, tid: int
) -> bytes:
    rows, begins, ends = spans(forest, codes, apart, start, end)
    if not len(rows):
        return b""
    return rows_of_text((
        f'{{"ph":"X","pid":{PROCESS},"tid":{tid},"cat":"{PLACES}","name":', chosen(names, codes[rows]),
        ',"ts":', microseconds(begins), ',"dur":', microseconds(ends - begins), "}",
    ))  # fmt: skip


PERFETTO = Exporter(
    name="perfetto",
    suffix=".perfetto.json",
    summary="time line in Perfetto or chrome://tracing, with tracks of layers and phases",
    render=render,
)
