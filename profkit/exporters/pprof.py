"""pprof: gzip of Google's `profile.proto`, with every measure that there is as a value of each call path."""

from __future__ import annotations

import gzip
from datetime import datetime
from functools import cache
from types import ModuleType
from typing import Any

from profkit import schema
from profkit.errors import MissingToolError
from profkit.exporters import Exporter, Material
from profkit.flame_graph.forest import Forest, Frame, merged
from profkit.flame_graph.text import label, paths

_PACKAGE = "perftools.profiles"
_TYPES = {
    "samples": ("samples", "count"),
    "self_ns": ("time", "nanoseconds"),
    "self_instructions": ("instructions", "count"),
    "allocated_bytes": ("allocated_space", "bytes"),
}
_FIELDS = {
    "ValueType": "type:i unit:i",
    "Label": "key:i str:i num:i num_unit:i",
    "Sample": "location_id:u* value:i* label:Label*",
    "Mapping": "id:u memory_start:u memory_limit:u file_offset:u filename:i build_id:i has_functions:b has_filenames:b "
    "has_line_numbers:b has_inline_frames:b",
    "Line": "function_id:u line:i column:i",
    "Location": "id:u mapping_id:u address:u line:Line* is_folded:b",
    "Function": "id:u name:i system_name:i filename:i start_line:i",
    "Profile": "sample_type:ValueType* sample:Sample* mapping:Mapping* location:Location* function:Function* "
    "string_table:s* drop_frames:i keep_frames:i time_nanos:i duration_nanos:i period_type:ValueType period:i "
    "comment:i* default_sample_type:i",
}
"""The messages of profile.proto: names in order of their numbers, with i int64, u uint64, b bool, s string, * repeated.

https://github.com/google/pprof/blob/main/proto/profile.proto
"""


class _Strings:
    """The string table: the empty string first, each string once."""

    def __init__(self) -> None:
        self.places = {"": 0}

    def place(self, text: str | None) -> int:
        """Its number."""
        return self.places.setdefault(text or "", len(self.places))


def render(material: Material) -> bytes:
    """The profile, whose labels are thread, layer and phase.

    Raises:
        MissingToolError: the package protobuf is not installed.
    """
    forest = merged(material.forest)
    profile, strings = _message("Profile")(), _Strings()
    measures = [name for name in _TYPES if name in forest.costs]
    for name in measures:
        kind, unit = _TYPES[name]
        profile.sample_type.add(type=strings.place(kind), unit=strings.place(unit))
    _add_frames(profile, strings, forest.frames)
    _add_samples(profile, strings, forest, measures)
    profile.default_sample_type = strings.place(_TYPES[forest.metric][0])
    profile.comment.extend(strings.place(note) for note in (*material.profile.notes, *forest.notes))
    run = material.profile.run
    if run.recorded_at:
        profile.time_nanos = int(datetime.fromisoformat(run.recorded_at).timestamp()) * 1_000_000_000
    if forest.metric == "self_ns":
        profile.duration_nanos = int(forest.costs["self_ns"].sum())
    if run.sampling_period_ns:
        profile.period_type.type, profile.period_type.unit = strings.place("time"), strings.place("nanoseconds")
        profile.period = run.sampling_period_ns
    profile.string_table.extend(strings.places)
    return gzip.compress(profile.SerializeToString(deterministic=True), mtime=0)


def _add_frames(profile: Any, strings: _Strings, frames: tuple[Frame, ...]) -> None:
    """A function and a location for each frame, and a mapping for each library."""
    mappings: dict[str, int] = {}
    for number, frame in enumerate(frames, 1):
        name = strings.place(label(frame))
        profile.function.add(id=number, name=name, system_name=name, filename=strings.place(frame.file))
        location = profile.location.add(id=number)
        location.line.add(function_id=number, line=frame.line or 0)
        if frame.library:
            location.mapping_id = mappings.setdefault(frame.library, len(mappings) + 1)
    for library, number in mappings.items():
        profile.mapping.add(id=number, filename=strings.place(library), has_functions=True)


def _add_samples(profile: Any, strings: _Strings, forest: Forest, measures: list[str]) -> None:
    values = zip(*(forest.costs[name].tolist() for name in measures), strict=True)
    places = zip(forest.thread.tolist(), forest.layer.tolist(), forest.phase.tolist(), strict=True)
    layers, phases = (*forest.layers, None), (*schema.PHASES, None)
    for stack, costs, (thread, layer, phase) in zip(paths(forest), values, places, strict=True):
        if any(costs):
            sample = profile.sample.add(location_id=[frame + 1 for frame in reversed(stack)], value=costs)
            named = {"thread": forest.threads[thread], "layer": layers[layer], "phase": phases[phase]}
            for key, text in named.items():
                if text:
                    sample.label.add(key=strings.place(key), str=strings.place(text))


@cache
def _message(name: str) -> Any:
    """The class of a message, made from `_FIELDS`: pprof publishes no Python package of them."""
    descriptors, pools, factory = _protobuf()
    file = descriptors.FileDescriptorProto(name="profile.proto", package=_PACKAGE, syntax="proto3")
    kinds = descriptors.FieldDescriptorProto
    types = {"i": kinds.TYPE_INT64, "u": kinds.TYPE_UINT64, "b": kinds.TYPE_BOOL, "s": kinds.TYPE_STRING}
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        for number, field in enumerate(fields.split(), 1):
            field_name, kind = field.split(":")
            label_of = kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL
            added = described.field.add(name=field_name, number=number, label=label_of)
            kind = kind.rstrip("*")
            added.type = types.get(kind, kinds.TYPE_MESSAGE)
            if kind not in types:
                added.type_name = f".{_PACKAGE}.{kind}"
    pool = pools.DescriptorPool()
    pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


def _protobuf() -> tuple[ModuleType, ModuleType, ModuleType]:
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise MissingToolError(
            "pprof needs the Python package 'protobuf', which is not installed", "pip install 'profkit[pprof]'"
        ) from error
    return descriptor_pb2, descriptor_pool, message_factory


PPROF = Exporter(
    name="pprof",
    suffix=".pb.gz",
    summary="all measures at once, for pprof and whatever reads its format",
    render=render,
)
