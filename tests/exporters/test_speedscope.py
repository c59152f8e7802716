"""speedscope: what its own importer demands of a file."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from profkit.exporters import Material
from profkit.exporters.speedscope import render
from profkit.flame_graph.places import ESTIMATED

PROFILE = {
    "type": "object",
    "required": ["type", "name", "unit", "startValue", "endValue"],
    "properties": {
        "type": {"enum": ["evented", "sampled"]},
        "unit": {"enum": ["none", "nanoseconds"]},
        "events": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "frame", "at"],
                "properties": {
                    "type": {"enum": ["O", "C"]},
                    "frame": {"type": "integer", "minimum": 0},
                    "at": {"type": "integer", "minimum": 0},
                },
            },
        },
        "samples": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}, "minItems": 1}},
        "weights": {"type": "array", "items": {"type": "integer", "minimum": 1}},
    },
    "oneOf": [{"required": ["events"]}, {"required": ["samples", "weights"]}],
}
FILE = {
    "type": "object",
    "required": ["$schema", "shared", "profiles"],
    "properties": {"profiles": {"type": "array", "minItems": 1, "items": PROFILE}},
}


@pytest.fixture(scope="session")
def file(recorded: Material) -> dict[str, Any]:
    return json.loads(render(recorded))


def test_the_file_is_of_the_published_form(file: dict[str, Any]) -> None:
    jsonschema.validate(file, FILE)
    frames = len(file["shared"]["frames"])
    for profile in file["profiles"]:
        used = {event["frame"] for event in profile.get("events", ())}
        used |= {frame for sample in profile.get("samples", ()) for frame in sample}
        assert max(used) < frames
    assert 0 <= file["activeProfileIndex"] < len(file["profiles"])


def test_events_are_in_order_and_every_frame_that_opens_closes_innermost_first(file: dict[str, Any]) -> None:
    for profile in file["profiles"]:
        stack: list[int] = []
        at = 0
        for event in profile.get("events", ()):
            assert event["at"] >= at
            at = event["at"]
            if event["type"] == "O":
                stack.append(event["frame"])
            else:
                assert stack.pop() == event["frame"]
        assert not stack
        assert at <= profile["endValue"]


def test_the_unit_stands_in_the_name_where_speedscope_has_none(recorded: Material, file: dict[str, Any]) -> None:
    for profile in file["profiles"]:
        if recorded.profile.metric == "self_ns":
            assert (profile["type"], profile["unit"]) == ("evented", "nanoseconds")
        else:
            assert (profile["type"], profile["unit"]) == ("sampled", "none")
            assert profile["name"].endswith("[instructions, estimated paths]")
            assert sum(profile["weights"]) == profile["endValue"] == recorded.profile.cost().sum()
            assert recorded.forest.notes == (ESTIMATED,)


def test_layers_and_phases_are_frames(file: dict[str, Any]) -> None:
    names = {frame["name"] for frame in file["shared"]["frames"]}
    assert {"phase/forward", "phase/backward", "phase/optimizer", "layer/conv1", "layer/linear2"} <= names
