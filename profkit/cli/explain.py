"""`profkit explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

if TYPE_CHECKING:
    from profkit.profile import Profile
    from profkit.rerun import WhatIf

EXAMPLES = (
    "profkit explain python.json cpp.json",
    "profkit explain python.json cpp.json --top 5",
    "profkit explain python.json cpp.json --try",
    "profkit explain python.json cpp.json --try --change threads --change flush_denormals --seconds 60",
    "profkit explain before.json.gz after.json.gz --json",
)


def command(
    baseline: Annotated[Path, Argument(help="A: profile, or artefact of a tool")],
    candidate: Annotated[Path, Argument(help="B: likewise")],
    top: Annotated[int, Option(help="places named for each cause", min=0)] = 3,
    what_if: Annotated[
        bool, Option("--try", help="run both again with one thing changed at a time, and say what each is worth")
    ] = False,
    change: Annotated[list[str] | None, Option(help="with --try: this change only; repeatable (default: all)")] = None,
    seconds: Annotated[float, Option(help="with --try: time for measuring [s]", min=1)] = 120,
    data: Annotated[Path | None, Option(help="with --try: directory with the real data, where a run had any")] = None,
    weights: Annotated[Path | None, Option(help="with --try: state_dict file that a run started from")] = None,
    as_json: Annotated[bool, Option("--json", help="print JSON, every cause with all its places")] = False,
) -> None:
    """Say why B is slower or faster than A, in causes that sum to the difference.

    Work, data loading, first iterations, interpreter, binding, dispatch, kernels (the same, another, another
    instruction set), memory, runtime and idle, what only one side has, and what is left unexplained.
    """
    from profkit.errors import InterruptedRunError, UsageError
    from profkit.explanation import explain
    from profkit.loader import load
    from profkit.summary import is_host
    from profkit.views.explain import explain_json, explain_view
    from profkit.views.output import print_json, print_view

    if change and not what_if:
        raise UsageError("--change goes with --try", "add --try, which runs both programs again")
    profiles = load(baseline), load(candidate)
    beside = any(not is_host(profile).all() for profile in profiles)
    found = [explain(*profiles, device) for device in (("cpu", "device") if beside else ("cpu",))]
    if not as_json:
        print_view(explain_view(found, *profiles, top))
    tried = _try(profiles, change or [], seconds, data, weights) if what_if else None
    if as_json:
        print_json({**explain_json(found, *profiles), **_tried_json(tried)})
    elif tried:
        from profkit.views.what_if import what_if_view

        print_view(what_if_view(tried))
    if tried and tried.interrupted:
        raise InterruptedRunError("interrupted: what was measured until then is above", "nothing is kept; run it again")


def _try(
    profiles: tuple[Profile, Profile], changes: list[str], seconds: float, data: Path | None, weights: Path | None
) -> WhatIf:
    from profkit.rerun import try_changes
    from profkit.views.progress import progress

    with progress() as say:
        return try_changes(profiles[0].run, profiles[1].run, changes, seconds, say, data=data, weights=weights)


def _tried_json(tried: WhatIf | None) -> dict[str, Any]:
    if tried is None:
        return {}
    from profkit.views.what_if import what_if_json

    return {"what_if": what_if_json(tried)}
