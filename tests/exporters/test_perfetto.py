"""Perfetto: events nest strictly on every track, and layers and phases have tracks of their own."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from profkit.exporters import Material
from profkit.exporters.perfetto import render
from profkit.flame_graph.chrome import PLACES

Events = list[dict[str, Any]]


@pytest.fixture(scope="session")
def events(recorded: Material) -> Events:
    return json.loads(render(recorded), parse_float=Decimal)["traceEvents"]


@pytest.fixture(scope="session")
def tracks(events: Events) -> dict[str, Events]:
    """The complete events of each track by its name."""
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    found: dict[str, Events] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            found[names[event["tid"]]].append(event)
    return found


def test_the_events_of_a_track_nest_strictly_to_the_nanosecond(tracks: dict[str, Events]) -> None:
    for track in tracks.values():
        open_until: list[Decimal] = []
        for event in sorted(track, key=lambda each: (each["ts"], -each["dur"])):
            end = event["ts"] + event["dur"]
            while open_until and open_until[-1] <= event["ts"]:
                open_until.pop()
            assert not open_until or end <= open_until[-1]
            open_until.append(end)


def test_layers_and_phases_are_tracks_and_say_nothing_of_cost(recorded: Material, tracks: dict[str, Events]) -> None:
    phases = [event["name"] for event in tracks["phases"]]
    assert {"forward", "backward", "optimizer"} <= set(phases)
    layers = {event["name"] for event in tracks["layers"]}
    assert {"conv1", "relu1", "pool1", "conv2", "linear1", "linear2", "loss"} <= layers
    assert all(event["cat"] == PLACES for name in ("phases", "layers") for event in tracks[name])
    (thread,) = set(tracks) - {"phases", "layers"}
    metric = recorded.profile.metric
    assert sum(event["args"][metric] for event in tracks[thread]) == recorded.profile.cost().sum()


def test_a_step_is_drawn_from_the_first_phase_to_the_last(recorded: Material, tracks: dict[str, Events]) -> None:
    (thread,) = set(tracks) - {"phases", "layers"}
    steps = [event for event in tracks[thread] if event["name"].startswith("step ")]
    assert {step["name"] for step in steps} == {"step 0", "step 1"}
    if recorded.profile.metric == "self_ns":
        assert len(steps) == 2
        for phase in tracks["phases"]:
            assert any(
                step["ts"] <= phase["ts"] and phase["ts"] + phase["dur"] <= step["ts"] + step["dur"] for step in steps
            )


def test_the_process_says_what_a_nanosecond_stands_for(recorded: Material, events: Events) -> None:
    (process,) = (event["args"]["name"] for event in events if event["name"] == "process_name")
    assert ("1 ns = 1 of instructions" in process) is (recorded.profile.metric == "self_instructions")
