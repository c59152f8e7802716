"""Collapsed stacks: one line a call path, `root;...;leaf cost`, as flamegraph.pl, inferno and speedscope read them."""

from __future__ import annotations

import re

from profkit.exporters import Exporter, Material
from profkit.flame_graph.forest import merged
from profkit.flame_graph.text import paths, with_source


def render(material: Material) -> bytes:
    """Self costs of all call paths in whole units of the profile's metric.

    The steps are one. A thread is the first frame where there are several. Semicolons and line breaks, which would end
    a frame or a line, are replaced.
    """
    forest = merged(material.forest)
    frames = [_clean(with_source(frame)) for frame in forest.frames]
    threads = [f"thread ({_clean(re.sub('[()]', ' ', name)).strip()})" for name in forest.threads]
    named = len(set(forest.thread.tolist())) > 1
    lines = []
    for stack, thread, cost in zip(
        paths(forest), forest.thread.tolist(), forest.costs[forest.metric].tolist(), strict=True
    ):
        if cost:
            texts = [frames[frame] for frame in stack]
            lines.append(f"{';'.join([threads[thread], *texts] if named else texts)} {cost}\n")
    return "".join(lines).encode()


def _clean(text: str) -> str:
    return re.sub(r"[\r\n]+", " ", text.replace(";", ":"))


COLLAPSED = Exporter(
    name="collapsed",
    suffix=".collapsed.txt",
    summary="stacks as text, for flamegraph.pl, inferno and difffolded",
    render=render,
)
