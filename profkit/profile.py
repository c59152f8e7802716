"""Recording (what a tool said, call by call) and Profile (one row an operator): checked when made, exact in sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit import schema
from profkit.columns import counts
from profkit.errors import DataError, InputError
from profkit.run import Run, decode
from profkit.write import write_whole

if TYPE_CHECKING:
    import pandas as pd

PROFILE_FORMAT = "profkit-profile"


@dataclass(frozen=True)
class Recording:
    """One artefact as records: a forest by `parent_id`, or a call graph with `calls` as its edges.

    Attributes:
        run: where it comes from.
        records: rows of the `records` schema.
        calls: edges of the `calls` schema; None where `parent_id` holds the hierarchy.
        tool_totals: the tool's own totals by its own event names (`Ir`, `Dr`, ...), to be compared with.
        notes: what was repaired, left out or not understood, one sentence each.
        broken: events of the file that were lost, cut off or repaired.
        launches_without_kernel: launches on the host of kernels that the file does not have.
    """

    run: Run
    records: pa.Table
    calls: pa.Table | None = None
    tool_totals: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    broken: int = 0
    launches_without_kernel: int = 0

    def __post_init__(self) -> None:
        schema.check(schema.RECORDS, self.records)
        _check_ids(self.records, "parent_id", self.records.num_rows)
        if self.calls is not None:
            schema.check(schema.CALLS, self.calls)
            _check_ids(self.calls, "caller_id", self.records.num_rows)
            _check_ids(self.calls, "callee_id", self.records.num_rows)
        for unit in ("ns", "instructions"):
            self._check_sums(f"self_{unit}", f"total_{unit}")

    def _check_sums(self, self_column: str, total_column: str) -> None:
        """Self costs are not negative; in a forest they sum to the totals of the roots."""
        self_cost = self.records[self_column]
        if self_cost.null_count == len(self_cost):
            return
        smallest = pc.min(self_cost).as_py()
        if smallest < 0:
            raise DataError(f"a record has a negative {self_column} ({smallest})")
        if self.calls is None:
            roots = self.records[total_column].filter(pc.is_null(self.records["parent_id"]))
            whole, parts = pc.sum(roots).as_py() or 0, pc.sum(self_cost).as_py() or 0
            if whole != parts:
                raise DataError(f"{self_column} sums to {parts}, but {total_column} of the roots to {whole}")


def _check_ids(table: pa.Table, column: str, rows: int) -> None:
    largest, smallest = pc.max(table[column]).as_py(), pc.min(table[column]).as_py()
    if largest is not None and (largest >= rows or smallest < 0):
        raise DataError(f"{column} {largest if largest >= rows else smallest} points outside the {rows} records")


@dataclass(frozen=True)
class Profile:
    """One recording as an operator table: what `show` prints and `diff` compares.

    Attributes:
        run: where it comes from.
        operators: rows of the `operators` schema.
        notes: as in the recording.
    """

    run: Run
    operators: pa.Table
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        schema.check(schema.OPERATORS, self.operators)
        steps = self.run.steps or 0
        for metric in ("self_ns", "self_instructions"):
            # The extremes, because pyarrow loads all of pandas, where it is installed, to compare with a number.
            lengths = pc.min_max(pc.list_value_length(self.operators[f"{metric}_per_step"])).as_py()
            if not {lengths["min"], lengths["max"]} <= {None, steps}:
                raise DataError(f"{metric}_per_step does not have one value for each of the {steps} steps")

    @cached_property
    def metric(self) -> str:
        """The self-cost column that this profile is read by: self_ns, self_instructions or samples.

        Raises:
            DataError: no row has any cost.
        """
        for name in schema.METRICS:
            if self.operators[name].null_count < self.operators.num_rows:
                return name
        raise DataError("the profile has no time, instructions or samples in any row")

    @property
    def unit(self) -> str:
        """Unit of `metric`."""
        return schema.METRICS[self.metric]

    def counts_like(self, other: Profile) -> bool:
        """Whether costs of the two can be subtracted: of one unit, and samples also of one period."""
        if self.unit != other.unit:
            return False
        return self.unit != "samples" or self.run.sampling_period_ns == other.run.sampling_period_ns

    def cost(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Self cost of each row, shape (rows,), in `unit`; rows that cannot have one count nothing."""
        return counts(self.operators[self.metric]).astype(np.int64, copy=False)

    def to_json(self) -> bytes:
        """The profile file: one object, one array a column. `json_schema` describes it."""
        columns = {
            name: column.to_pylist()
            for name, column in zip(self.operators.column_names, self.operators.columns, strict=True)
        }
        body = {
            "format": PROFILE_FORMAT,
            "version": schema.SCHEMA_VERSION,
            "run": asdict(self.run),
            "notes": self.notes,
            "operators": columns,
        }
        return msgspec.json.encode(body) + b"\n"

    def write(self, path: Path) -> None:
        """Write the profile, whole or not at all: Parquet where the name ends so, else JSON.

        Raises:
            WriteError: the file cannot be written.
        """
        write_whole(path, to_parquet(self) if path.suffix == ".parquet" else self.to_json())

    def to_pandas(self) -> pd.DataFrame:
        """The operator table as a data frame with nullable types, one row an operator."""
        return self.operators.to_pandas(types_mapper=_nullable)


class _File(msgspec.Struct):
    format: str
    version: int
    run: Run
    operators: dict[str, list[Any]]
    notes: tuple[str, ...] = ()


def read_profile(path: Path) -> Profile:
    """Read a profile that `Profile.write` wrote.

    Raises:
        InputError: unreadable, not a profile, or of another version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if data.startswith(b"PAR1"):
        return _from_parquet(data, path)
    file = decode(data, _File, str(path))
    if file.format != PROFILE_FORMAT:
        raise InputError(f"{path} is a '{file.format}' file, not a profile", "profkit import reads artefacts of tools")
    _check_version(file.version, path)
    lengths = {len(values) for values in file.operators.values()}
    if len(lengths) > 1:
        raise InputError(
            f"{path}: the columns have different lengths ({sorted(lengths)})", "the file was edited or cut"
        )
    try:
        table = schema.table_from(schema.OPERATORS, file.operators, max(lengths, default=0))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"{path}: a column has values of another type: {error}") from error
    return Profile(file.run, table, file.notes)


def is_profile(head: bytes) -> bool:
    """Whether a file that begins so is a profile rather than an artefact."""
    return head.startswith((b'{"format":"' + PROFILE_FORMAT.encode(), b"PAR1"))


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a profile file."""
    (run,), definitions = msgspec.json.schema_components([Run], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "profkit profile",
        "type": "object",
        "required": ["format", "version", "run", "notes", "operators"],
        "properties": {
            "format": {"const": PROFILE_FORMAT},
            "version": {"const": schema.SCHEMA_VERSION},
            "run": run,
            "notes": {"type": "array", "items": {"type": "string"}},
            "operators": schema.operator_json_schema(),
        },
        "$defs": definitions,
    }


def _check_version(version: int, path: Path) -> None:
    if version != schema.SCHEMA_VERSION:
        raise InputError(
            f"{path} has profile version {version}, this profkit reads {schema.SCHEMA_VERSION}",
            "import the artefact in its run directory again",
        )


def to_parquet(profile: Profile) -> bytes:
    """The operator table as Parquet, with the run and the notes in the file's metadata: `read_profile` reads it."""
    import pyarrow.parquet as pq

    about = {
        "format": PROFILE_FORMAT.encode(),
        "version": str(schema.SCHEMA_VERSION).encode(),
        "run": msgspec.json.encode(profile.run),
        "notes": msgspec.json.encode(profile.notes),
    }
    sink = pa.BufferOutputStream()
    pq.write_table(profile.operators.replace_schema_metadata(about), sink)
    return sink.getvalue().to_pybytes()


def _from_parquet(data: bytes, path: Path) -> Profile:
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
    except pa.ArrowInvalid as error:
        raise InputError(f"cannot read {path}: {error}") from error
    about = table.schema.metadata or {}
    if about.get(b"format") != PROFILE_FORMAT.encode():
        raise InputError(f"{path} is a Parquet file, but not a profile")
    _check_version(int(about[b"version"]), path)
    notes = decode(about[b"notes"], tuple[str, ...], str(path))
    columns = {name: table[name] for name in table.column_names}
    return Profile(
        decode(about[b"run"], Run, str(path)), schema.table_from(schema.OPERATORS, columns, table.num_rows), notes
    )


def _nullable(kind: pa.DataType) -> Any:
    import pandas as pd

    return pd.Int64Dtype() if pa.types.is_integer(kind) else None
