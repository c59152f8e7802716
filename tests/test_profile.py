from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from profkit.errors import DataError, InputError, WriteError
from profkit.machine import Machine
from profkit.profile import Profile, Recording, json_schema, read_profile
from profkit.run import Agreement, Run
from profkit.schema import CALLS, OPERATORS, RECORDS, table_from

RUN = Run(
    tool="torch",
    workload="mnist_cnn",
    options={"filters1": 8},
    implementation="pytorch",
    machine=Machine("a processor", "avx2", 2, 2**30, "Linux 6"),
    steps=2,
    step_ns=(10, 12),
    tool_step_ns=(22, 33),
    agreement=Agreement("pytorch", 20, 1e-7, 0.0, 0.0, 0.0, 1e-5),
)
PROFILE = Profile(
    RUN,
    table_from(
        OPERATORS,
        {
            "operator": ["aten::addmm", None],
            "layer": ["linear1", None],
            "category": ["kernel", "interpreter"],
            "self_ns": [30, 12],
            "self_ns_per_step": [[10, 20], None],
        },
        2,
    ),
    ("one note",),
)


@pytest.mark.parametrize("name", ["p.json", "p.parquet"])
def test_a_profile_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    PROFILE.write(tmp_path / name)
    again = read_profile(tmp_path / name)
    assert again.run == PROFILE.run
    assert again.notes == PROFILE.notes
    assert again.operators.equals(PROFILE.operators)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_published_json_schema_describes_the_file() -> None:
    body = msgspec.json.decode(PROFILE.to_json())
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(body, json_schema())
    body["operators"]["self_ns"][0] = "thirty"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, json_schema())


def test_pandas_keeps_null_apart_from_zero() -> None:
    frame = PROFILE.to_pandas()
    assert frame["self_ns"].tolist() == [30, 12]
    assert frame["total_ns"].isna().all()


def test_the_slowdown_is_the_ratio_of_the_median_steps() -> None:
    assert RUN.slowdown == pytest.approx(27.5 / 11)
    assert replace(RUN, step_ns=()).slowdown is None


def test_a_list_of_the_wrong_length_is_a_data_error() -> None:
    with pytest.raises(DataError, match="one value for each of the 3 steps"):
        Profile(replace(RUN, steps=3), PROFILE.operators)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body.update(version=99), "has profile version 99, this profkit reads 1"),
        (lambda body: body.update(format="other"), "is a 'other' file"),
        (lambda body: body.pop("run"), "missing required field `run`"),
        (lambda body: body["run"].update(steps="two"), r"Expected `int \| null`, got `str` - at `\$.run.steps`"),
        (lambda body: body["operators"]["layer"].pop(), "columns have different lengths"),
        (lambda body: body["operators"].update(self_ns=["a", "b"]), "a column has values of another type"),
    ],
)
def test_a_profile_edited_by_hand_is_refused_with_the_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    body = msgspec.json.decode(PROFILE.to_json())
    change(body)
    path = tmp_path / "p.json"
    path.write_bytes(msgspec.json.encode(body))
    with pytest.raises(InputError, match=message):
        read_profile(path)


def test_a_cut_profile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(PROFILE.to_json()[:-20])
    with pytest.raises(InputError, match="is not a"):
        read_profile(path)


def test_a_profile_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="cannot write"):
        PROFILE.write(tmp_path / "missing" / "p.json")
    assert list(tmp_path.iterdir()) == []


def recording(**columns: list[int | None]) -> Recording:
    rows = len(next(iter(columns.values())))
    return Recording(Run(tool="test"), table_from(RECORDS, dict(columns), rows))


def test_a_recording_whose_sums_do_not_match_is_refused() -> None:
    recording(parent_id=[None, 0], self_ns=[3, 4], total_ns=[7, 4])
    with pytest.raises(DataError, match="self_ns sums to 6, but total_ns of the roots to 7"):
        recording(parent_id=[None, 0], self_ns=[2, 4], total_ns=[7, 4])
    with pytest.raises(DataError, match="negative self_ns"):
        recording(parent_id=[None, 0], self_ns=[-1, 8], total_ns=[7, 8])


def test_a_parent_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DataError, match="parent_id 2 points outside the 2 records"):
        recording(parent_id=[None, 2])


def test_a_call_edge_to_nowhere_is_refused() -> None:
    records = table_from(RECORDS, {"self_instructions": [1]}, 1)
    calls = table_from(CALLS, {"caller_id": [0], "callee_id": [1], "count": [1], "total_instructions": [1]}, 1)
    with pytest.raises(DataError, match="callee_id 1 points outside the 1 records"):
        Recording(Run(tool="test"), records, calls)
