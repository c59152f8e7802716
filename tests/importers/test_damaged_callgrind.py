"""Callgrind files that are cut, edited, or from writers who do not keep to the format."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from profkit.errors import InputError
from profkit.importers.callgrind import CALLGRIND
from tests.importers.callgrind_text import GOLDEN, HEAD, Load, self_by_name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("hello\nworld\n", "no 'events:' line"),
        ("fl=a.c\nfn=main\n1 5\n", "line 3: a cost line, but no 'events:' line"),
        (HEAD + "fl=a.c\nfn=(7)\n1 5\n", r"line 8: the name \(7\) is used"),
        (HEAD + "fl=a.c\nfn=(99999999999)\n1 5\n", r"line 8: the name"),
        (HEAD + "fl=a.c\nfn=main\n1 5 6\n", "line 9: 2 costs on a line, but 1 events"),
        (HEAD + "fl=a.c\nfn=main\n1 5x\n", "line 9: '5x' is no number"),
        (HEAD + "fl=a.c\nfn=main\n1 99999999999999999999\n", "line 9: .* 63 bits"),
        (HEAD + "fl=a.c\nfn=main\ncalls=1 2\n1 5\n", "line 9: a 'calls=' line without a 'cfn='"),
        (
            HEAD + "fl=a.c\nfn=main\ncfn=f\ncalls=1 2\ncfn=g\ncalls=1 2\n1 5\n",
            "line 10: a 'calls=' line without its cost",
        ),
        (HEAD + "fl=a.c\nfn=main\n1 5\ntotals: 6\n", "'totals:' line says 6 Ir, its lines sum to 5"),
        (HEAD + "fl=a.c\nfn=main\n1 5\ntotals: six\n", "line 10: 'six' are no totals"),
    ],
)
def test_a_damaged_file_is_refused_with_the_line(load: Load, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(text)


@pytest.mark.parametrize(
    "text",
    [
        "fl=a.c\nfn=main\n1 5\ncfn=f\ncalls=1 2\n1 40\nfn=f\n2 4",
        "fl=a.c\nfn=main\n1 5\ncfn=f\ncalls=1 2\n",
        "fl=a.c\nfn=main\n1 5\n",
    ],
    ids=["in a number", "before the cost of a call", "between two lines"],
)
def test_a_file_that_is_cut_off_is_refused(load: Load, text: str) -> None:
    with pytest.raises(InputError, match="is cut off: its last part has no 'totals:' line"):
        load(HEAD + text)


def test_of_another_writer_who_writes_no_totals_the_whole_lines_count(load: Load) -> None:
    recording = load(HEAD.replace("creator: callgrind-3.19.0\n", "") + "fl=a.c\nfn=main\n1 5\nfn=f\n2 4\n")
    assert +self_by_name(recording) == Counter(main=5, f=4)


def test_names_that_are_not_utf8_are_read(load: Load) -> None:
    recording = load(HEAD.encode() + b"fl=a.c\nfn=caf\xe9\n1 5\ntotals: 5\n")
    assert recording.records["symbol"].to_pylist() == ["caf\ufffd"]


def test_a_directory_and_broken_gzip_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        CALLGRIND.load(tmp_path)
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress((GOLDEN / "instr" / "callgrind.out").read_bytes())[:-20])
    with pytest.raises(InputError, match="gzip"):
        CALLGRIND.load(path)


def test_lines_of_no_format_are_counted_in_a_note(load: Load) -> None:
    recording = load(HEAD + "fl=a.c\nfn=main\n1 5\n<<<<<<< mine\ntotals: 5\n")
    assert recording.notes == (
        "1 lines are no part of the format and were passed over, the first of them '<<<<<<< mine'",
    )
