"""`profkit import`: what each file is, whether its total is the tool's own, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Profkit, complaint

STACKS = "main;train;conv2d 30\nmain;load 12\n"
CALLGRIND = "events: Ir\n\nfn=(1) main\n1 10\n2 20\n\ntotals: 30\n"


def test_several_files_are_told_of_in_a_table_and_the_unreadable_one_by_its_reason(
    profkit: Profkit, tmp_path: Path
) -> None:
    for name, text in {"a.txt": STACKS, "b.out": f"# callgrind format\n{CALLGRIND}", "c.bin": "no such format"}.items():
        (tmp_path / name).write_text(text)
    done = profkit("import", "a.txt", "b.out", "c.bin")
    assert done.returncode == 3
    assert "c.bin is of no format that profkit knows" in done.stderr
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[:4]}
    assert lines["a.txt"] == ["collapsed", "4", "42", "samples", "42", "samples"]
    assert lines["b.out"] == ["callgrind", "1", "30", "instructions", "30", "Ir"]
    assert lines["c.bin"][-2:] == ["not", "read"]
    said = json.loads(profkit("import", "a.txt", "c.bin", "--json").stdout)
    assert (said[0]["self_cost"], said[0]["tool_totals"]) == (42, {"samples": 42})
    assert "no format" in said[1]["error"]


def test_one_file_is_written_as_a_profile_or_only_told_of(profkit: Profkit, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(STACKS)
    assert "4 rows, 42 (samples) of self cost" in profkit("import", "a.txt").stdout
    assert profkit("import", "a.txt", "-o", "a.json").returncode == 0
    assert json.loads((tmp_path / "a.json").read_text())["run"]["artefacts"] == ["a.txt"]
    assert "exists already" in complaint(profkit("import", "a.txt", "-o", "a.json"), 2)
    assert "there are 2 files" in complaint(profkit("import", "a.txt", "a.txt", "-o", "b.json"), 2)
