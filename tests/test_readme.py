"""Documentation cannot rot: its commands, options, columns and exit codes are those of the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from profkit import errors
from profkit.audit import rules
from profkit.cli import INTERRUPTED, app
from profkit.cli.diff import EXAMPLES as DIFF_EXAMPLES
from profkit.quantities import QUANTITIES
from profkit.registry import discover
from profkit.schema import markdown_table
from profkit.spec import Workload
from profkit.views.audit import rules_markdown
from profkit.views.layers import workloads_markdown
from profkit.what_if import Change

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GROUP = get_command(app)
assert isinstance(GROUP, TyperGroup)
COMMANDS = GROUP.commands
EXAMPLES = [example for command in COMMANDS.values() for example in re.findall(r"profkit .*", command.epilog)]
WRITTEN = [line.strip() for line in README.splitlines() if line.startswith("    profkit ")]


@pytest.mark.parametrize("line", dict.fromkeys((*WRITTEN, *EXAMPLES)))
def test_every_command_that_is_written_down_exists_with_its_options(line: str) -> None:
    _, name, *arguments = shlex.split(line, comments=True)
    arguments = arguments[: arguments.index("--")] if "--" in arguments else arguments
    known = {option for parameter in COMMANDS[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {argument for argument in arguments if argument.startswith("-") and argument != "-"} <= known


def test_every_command_has_examples() -> None:
    assert DIFF_EXAMPLES
    assert all("profkit " in command.epilog for command in COMMANDS.values())


def test_the_column_table_is_the_schema() -> None:
    between = README.split("<!-- columns -->")[1].split("<!-- end of columns -->")[0]
    assert between.strip() == markdown_table()


def test_the_workload_table_is_that_of_the_workloads() -> None:
    between = README.split("<!-- workloads -->")[1].split("<!-- end of workloads -->")[0]
    assert between.strip() == workloads_markdown(list(discover("profkit.workloads", Workload).values()))


def test_the_rules_table_is_that_of_the_rules() -> None:
    between = README.split("<!-- rules -->")[1].split("<!-- end of rules -->")[0]
    assert between.strip() == rules_markdown(rules())


def test_the_changes_table_names_every_change() -> None:
    between = README.split("| change | tries |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", between, re.M)) == set(discover("profkit.what_if", Change))


def test_the_exit_codes_are_those_of_the_errors() -> None:
    written = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.M)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not errors.ProfkitError]
    assert written == {0, INTERRUPTED, *(kind.exit_code for kind in kinds)}


def test_the_two_commands_of_the_readme_are_there() -> None:
    for script in re.findall(r"bash (\S+\.sh)", README):
        assert (ROOT / script).is_file()


def test_the_columns_on_demand_are_all_written_down() -> None:
    sentence = README.split("`--columns` takes ")[1].split(".")[0]
    assert re.findall(r"`(\w+)`", sentence) == list(QUANTITIES)
