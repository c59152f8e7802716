"""pprof: the file is decoded here by its wire format alone, and agrees with the recording in every measure."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from profkit.exporters import Material
from profkit.exporters.pprof import render
from profkit.flame_graph.forest import Forest, Frame
from profkit.profile import Profile
from profkit.run import Run
from profkit.schema import OPERATORS, table_from

Message = dict[int, list[int | bytes]]


def varint(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def fields(data: bytes) -> Message:
    """All fields of a message by number: https://protobuf.dev/programming-guides/encoding/."""
    found: Message = defaultdict(list)
    place = 0
    while place < len(data):
        key, place = varint(data, place)
        if key & 7 == 0:
            value, place = varint(data, place)
            found[key >> 3].append(value)
        else:
            assert key & 7 == 2
            length, place = varint(data, place)
            found[key >> 3].append(data[place : place + length])
            place += length
    return found


def packed(values: list[int | bytes]) -> Iterator[int]:
    for value in values:
        if isinstance(value, int):
            yield value
            continue
        place = 0
        while place < len(value):
            number, place = varint(value, place)
            yield number


def messages(values: list[int | bytes]) -> list[Message]:
    return [fields(value) for value in values if isinstance(value, bytes)]


def number(message: Message, field: int) -> int:
    value = message[field][0] if message[field] else 0
    assert isinstance(value, int)
    return value


class Decoded:
    """A profile as rows: leaf-first names, values, labels."""

    def __init__(self, data: bytes) -> None:
        profile = fields(gzip.decompress(data))
        self.strings = [value.decode() for value in profile[6] if isinstance(value, bytes)]
        text = self.strings.__getitem__
        self.types = [(text(number(kind, 1)), text(number(kind, 2))) for kind in messages(profile[1])]
        self.default = text(number(profile, 14))
        functions = {number(each, 1): text(number(each, 2)) for each in messages(profile[5])}
        locations = {
            number(each, 1): functions[number(messages(each[4])[0], 1)] for each in messages(profile[4])
        }  # fmt: skip
        self.libraries = [text(number(each, 5)) for each in messages(profile[3])]
        self.rows = [
            (
                [locations[place] for place in packed(sample[1])],
                list(packed(sample[2])),
                {text(number(each, 1)): text(number(each, 2)) for each in messages(sample[3])},
            )
            for sample in messages(profile[2])
        ]


def test_every_measure_of_the_recording_is_a_value_type_and_sums_to_the_same(recorded: Material) -> None:
    decoded = Decoded(render(recorded))
    assert decoded.strings[0] == ""
    assert len(set(decoded.strings)) == len(decoded.strings)
    columns = {"time": "self_ns", "instructions": "self_instructions", "allocated_space": "allocated_bytes"}
    assert {columns[kind] for kind, _ in decoded.types} == set(recorded.forest.costs)
    assert columns[decoded.default] == recorded.profile.metric
    for place, (kind, _) in enumerate(decoded.types):
        assert sum(row[1][place] for row in decoded.rows) == recorded.forest.costs[columns[kind]].sum()


def test_stacks_are_leaf_first_and_labels_say_the_place(recorded: Material) -> None:
    decoded = Decoded(render(recorded))
    value = [kind for kind, _ in decoded.types].index(decoded.default)
    by_layer: Counter[str | None] = Counter()
    for stack, values, labels in decoded.rows:
        if "layer" in labels:
            assert f"layer/{labels['layer']}" in stack
        assert labels["thread"] in recorded.forest.threads
        by_layer[labels.get("layer")] += values[value]
    wanted: Counter[str | None] = Counter()
    table = recorded.profile.operators
    for layer, cost in zip(table["layer"].to_pylist(), recorded.profile.cost().tolist(), strict=True):
        wanted[layer] += cost
    assert +by_layer == +wanted


def test_a_stack_of_three_frames_reads_from_the_leaf_up() -> None:
    profile = Profile(Run(tool="test"), table_from(OPERATORS, {"samples": [7]}, 1))
    none = np.full(3, -1)
    forest = Forest(
        parent=np.array([-1, 0, 1]), frame=np.array([0, 1, 2]),
        frames=(Frame("main", library="/bin/x"), Frame("step", "python", "t.py", 3), Frame("gemm", library="/bin/y")),
        thread=np.zeros(3, np.int64), threads=("main",), costs={"samples": np.array([0, 0, 7])}, metric="samples",
        layer=none, layers=(), phase=none,
    )  # fmt: skip
    decoded = Decoded(render(Material(profile, forest)))
    assert decoded.rows == [(["gemm", "step", "main"], [7], {"thread": "main"})]
    assert decoded.types == [("samples", "count")]
    assert decoded.libraries == ["/bin/x", "/bin/y"]
