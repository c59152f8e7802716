"""A diff in words and tables: the answer first, then the rows that it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from profkit.audit import Audit
from profkit.audit.programs import is_one_recording, share_bundle, unchecked
from profkit.comparison import SHARES, Diff, Row, diff
from profkit.explanation import explain
from profkit.explanation.plain_costs import Basis
from profkit.profile import Profile
from profkit.quantities import QUANTITIES, Derived, derive
from profkit.run import Run
from profkit.schema import CATEGORIES
from profkit.summary import is_host
from profkit.units import format_share
from profkit.views.audit import audit_line
from profkit.views.cause_words import headline, mainly
from profkit.views.cost import format_cost, name_of, plain_quantity, quantity_cell
from profkit.views.refusal import refusal_lines
from profkit.views.run import agreement_line, name
from profkit.work import samples_a_step

Pair = tuple[Profile, Profile]
Sides = tuple[Derived, ...]

_NAMED = 3
_STYLES = {"more": "red", "less": "green", "same": "dim"}


def answer(by_category: Diff, by_place: Diff) -> list[str]:
    """The difference in sentences, from the same two profiles by category and by whatever was asked for."""
    return [
        *_comparability(by_category),
        _verdict(by_category),
        *_power(by_category),
        *_split(by_category),
        *_places(by_place),
        *_lonely(by_place),
    ]


def why_lines(baseline: Profile, candidate: Profile) -> list[str]:
    """What the gap without the tool is, where that was timed, and its largest causes (`profkit explain` has all)."""
    found = explain(baseline, candidate)
    return [*([headline(found)] if found.basis is Basis.PLAIN else []), *mainly(found)]


def agreement_lines(baseline: Run, candidate: Run) -> list[str]:
    """Whether both sides do the same work, or that nobody knows."""
    runs = (baseline, candidate)
    unknown = unchecked(runs)
    lines = []
    if len(unknown) == 1:
        other = "A" if unknown == ("B",) else "B"
        lines.append(f"agreement unknown: nobody checked that {unknown[0]} computes what {other} does")
    elif unknown:
        lines.append("agreement unknown: nobody compared what A and B compute")
    lines += [
        agreement_line(run.agreement, name(run))
        for run in runs
        if run.agreement and (run.implementation != run.agreement.reference or not run.agreement.holds)
    ]
    if baseline.bundle_sha256 != candidate.bundle_sha256 and baseline.bundle_sha256 and candidate.bundle_sha256:
        lines.append("not the same bundle: the two runs had other weights, batches or options")
    return lines or [_alike(runs)]


def _alike(runs: tuple[Run, Run]) -> str:
    """What two runs are that compute the same, as far as anybody recorded."""
    if is_one_recording(runs):
        return "A and B are one recording"
    what = dict.fromkeys(run.implementation or run.workload or name(run) for run in runs)
    who = f"both are {next(iter(what))}" if len(what) == 1 else f"A is {' and B is '.join(what)}"
    return f"{who}, on the same weights and batches" if share_bundle(runs) else who


def diff_table(diff: Diff, top: int, sides: Sides = ()) -> Table:
    """The largest differences, one row each, with further quantities of both sides."""
    what = "share" if diff.unit == SHARES else "a step" if diff.per_step else "in all"
    title = f"by {', '.join(diff.by)}" + ("" if diff.device == "cpu" else ", on the device")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column(" ".join(diff.by).replace("_", " "), overflow="fold", ratio=1)
    for head in (f"A {what}", f"B {what}", "B - A" if diff.exact else "B - A (95 %)"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for column, side, _ in _interleaved(sides):
        table.add_column(f"{side} {QUANTITIES[column].head}", justify="right", no_wrap=True)
    for index, row in enumerate(diff.rows[:top]):
        more = [quantity_cell(derived, column, index) for column, _, derived in _interleaved(sides)]
        table.add_row(_label(row, diff.by), *_cells(row, diff), *more, style=_STYLES.get(row.verdict))
    rest = diff.rows[top:]
    if rest:
        delta = sum(row.delta for row in rest)
        table.add_row(f"({len(rest)} more)", "", "", format_cost(delta, diff.unit, signed=True), style="dim")
    table.add_section()
    more = [quantity_cell(derived, column, None) for column, _, derived in _interleaved(sides)]
    table.add_row("all", *_cells(diff.total, diff), *more, style="bold")
    return table


def _interleaved(sides: Sides) -> list[tuple[str, str, Derived]]:
    """Quantity by quantity, each of A and of B."""
    names = sides[0].values if sides else ()
    return [(name, side, derived) for name in names for side, derived in zip("AB", sides, strict=True)]


def _derived(diff: Diff, profiles: Pair, columns: tuple[str, ...]) -> Sides:
    """Further quantities of the rows of a diff, of both sides, a step where the diff is by steps."""
    if not columns:
        return ()
    return tuple(
        derive(
            profile,
            diff.by,
            [row.keys[side] for row in diff.rows],
            columns,
            is_host(profile) == (diff.device == "cpu"),
            per=(profile.run.steps or 1) if diff.per_step else 1,
        )
        for side, profile in enumerate(profiles)
    )


def diff_view(
    baseline: Profile,
    candidate: Profile,
    by: tuple[str, ...],
    top: int,
    columns: tuple[str, ...] = (),
    more: Sequence[str] = (),
    found: Audit | None = None,
) -> RenderableType:
    """Agreement, the answer in sentences, then the tables it rests on: by category, by `by`, and the devices'."""
    lines = _judged(found, (baseline, candidate)) + agreement_lines(baseline.run, candidate.run)
    tables = []
    for device in _devices(baseline, candidate):
        by_category = diff(baseline, candidate, ("category",), device)
        by_place = diff(baseline, candidate, by, device)
        lines += answer(by_category, by_place)
        if len(by_category.rows) > 1 and by != ("category",):  # a clock sees but one
            tables.append(diff_table(by_category, len(CATEGORIES)))
        tables.append(diff_table(by_place, top, _derived(by_place, (baseline, candidate), columns)))
    lines += [*why_lines(baseline, candidate), *more]
    return Group(*map(Text, lines), *(part for table in tables for part in ("", table)))


def diff_rows(
    baseline: Profile, candidate: Profile, by: tuple[str, ...], columns: tuple[str, ...] = ()
) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows for CSV, every key."""
    heads = [
        "device",
        *by,
        "baseline",
        "candidate",
        "delta",
        "baseline_share",
        "candidate_share",
        "low",
        "high",
        "effect_size",
        "detectable",
        "verdict",
        *(f"{side}_{name}" for name in columns for side in ("baseline", "candidate")),
    ]
    rows: list[list[Any]] = []
    for device in _devices(baseline, candidate):
        found = diff(baseline, candidate, by, device)
        sides = _derived(found, (baseline, candidate), columns)
        for index, row in enumerate(found.rows):
            numbers = [
                row.baseline,
                row.candidate,
                row.delta,
                row.baseline_share,
                row.candidate_share,
                row.low,
                row.high,
                row.effect_size,
                row.detectable,
            ]
            more = [plain_quantity(derived.values[name][index], name) for name, _, derived in _interleaved(sides)]
            rows.append([device, *row.key, *numbers, row.verdict, *more])
    return heads, rows


def diff_json(
    baseline: Profile,
    candidate: Profile,
    by: tuple[str, ...],
    columns: tuple[str, ...] = (),
    more: Sequence[str] = (),
    found: Audit | None = None,
) -> dict[str, Any]:
    """Both runs, the answer in sentences and every row, for programs."""
    heads, rows = diff_rows(baseline, candidate, by, columns)
    first = diff(baseline, candidate, by)
    lines = _judged(found, (baseline, candidate)) + agreement_lines(baseline.run, candidate.run)
    for device in _devices(baseline, candidate):
        lines += answer(diff(baseline, candidate, ("category",), device), diff(baseline, candidate, by, device))
    return {
        "answer": [*lines, *why_lines(baseline, candidate), *more],
        "refused_by": list(found.refusals) if found else [],
        "unit": first.unit,
        "per_step": first.per_step,
        "baseline": asdict(baseline.run),
        "candidate": asdict(candidate.run),
        "rows": [dict(zip(heads, row, strict=True)) for row in rows],
    }


def refused_view(found: Audit, profiles: Pair) -> RenderableType:
    """What stands in place of a comparison that would be wrong."""
    return Group(*map(Text, _judged(found, profiles)))


def refused_json(found: Audit, profiles: Pair) -> dict[str, Any]:
    """The same for programs."""
    return {
        "answer": _judged(found, profiles),
        "refused_by": list(found.refusals),
        "baseline": asdict(profiles[0].run),
        "candidate": asdict(profiles[1].run),
    }


def _judged(found: Audit | None, profiles: Pair) -> list[str]:
    """Whether it is fair to compare them at all."""
    return [] if found is None else [*refusal_lines(found, *profiles), *audit_line(found)]


def _devices(baseline: Profile, candidate: Profile) -> list[str]:
    """The processor, and the devices beside it where either side has any."""
    beside = any(not is_host(profile).all() for profile in (baseline, candidate))
    return ["cpu", "device"] if beside else ["cpu"]


def _cells(row: Row, diff: Diff) -> list[str]:
    verdict = {"only in baseline": "only A", "only in candidate": "only B"}.get(row.verdict, row.verdict)
    return [
        format_cost(row.baseline, diff.unit),
        format_cost(row.candidate, diff.unit),
        _delta(row, diff.unit),
        verdict,
    ]


def _delta(row: Row, unit: str) -> str:
    """The difference, and half the width of its interval where it has one."""
    delta = format_cost(row.delta, unit, signed=True)
    return delta if row.low is None or row.high is None else f"{delta} ± {format_cost((row.high - row.low) / 2, unit)}"


def _interval(row: Row, unit: str) -> str:
    if row.low is None or row.high is None:
        return "-"
    return f"{format_cost(row.low, unit, signed=True)} .. {format_cost(row.high, unit, signed=True)}"


def _label(row: Row, by: tuple[str, ...]) -> str:
    """The key in words; of several, a layer or phase that there is none of goes without saying."""
    names = [
        name_of(value, dimension)
        for value, dimension in zip(row.key, by, strict=True)
        if value is not None or dimension not in ("layer", "phase") or len(by) == 1
    ]
    return " ".join(names) or "(outside every layer and phase)"


def _comparability(diff: Diff) -> list[str]:
    """What stands in the way of subtracting at all."""
    lines = []
    if diff.unit == SHARES:
        tools = f"The two tools measure different things ({diff.baseline.tool}, {diff.candidate.tool})"
        why = "A and B count at different periods" if diff.units[0] == diff.units[1] else tools
        lines.append(f"{why}: only shares of each whole are compared.")
    if not diff.per_step:
        lines.append("At least one side has no steps: whole recordings are compared.")
    return lines


def _verdict(diff: Diff) -> str:
    """How much slower, in one sentence."""
    if diff.unit == SHARES:
        return "A and B each sum to 100 %."
    total = diff.total
    costs = [
        f"{format_cost(cost or 0.0, diff.unit)}{' instructions' if diff.exact else ''}"
        for cost in (total.baseline, total.candidate)
    ]
    per = (" a step" if diff.per_step else " in all") + (" on the device" if diff.device != "cpu" else "")
    facts = f"A {name(diff.baseline)} {costs[0]}, B {name(diff.candidate)} {costs[1]}{per}{_batches(diff)}"
    if total.verdict == "same":
        return f"{facts}: the same{'' if total.low is None else ' within the noise'}."
    if not total.baseline or not total.candidate:
        return f"{facts}: only one of them has any."
    more, less = ("slower", "faster") if diff.unit == "ns" else ("more", "fewer")
    words = f"{_factor(total.candidate / total.baseline)} {more if total.delta > 0 else less}"
    change = f"{format_cost(total.delta, diff.unit, signed=True)}, {_certainty(diff)}"
    return f"{facts}: B {'is' if diff.unit == 'ns' else 'has'} {words} ({change})."


def _batches(diff: Diff) -> str:
    """The samples of a step where they are not as many on both sides."""
    first, last = samples_a_step(diff.baseline), samples_a_step(diff.candidate)
    return f" (of {first} and of {last} samples)" if diff.per_step and first and last and first != last else ""


def _certainty(diff: Diff) -> str:
    """How sure the difference of the totals is."""
    if diff.exact:
        return "exact"
    return "no interval" if diff.total.low is None else f"95 % interval {_interval(diff.total, diff.unit)}"


def _power(diff: Diff) -> list[str]:
    """What such measurements could have found, and how far the steps of both sides overlap."""
    total = diff.total
    if not total.detectable or total.effect_size is None or not total.baseline or diff.unit == SHARES:
        return []
    smallest = f"{format_cost(total.detectable, diff.unit)} ({format_share(total.detectable / total.baseline)})"
    return [
        f"The smallest difference that this could have found: {smallest}; effect size {total.effect_size:+.2f} "
        "(Cliff's delta: -1 or 1 where no steps of A and B overlap)."
    ]


def _factor(ratio: float) -> str:
    """`8.7 %` for a small change, `3.2 times` for a large one."""
    return f"{abs(ratio - 1) * 100:.1f} %" if 0.5 < ratio < 2 else f"{max(ratio, 1 / ratio):.1f} times"


def _split(diff: Diff) -> list[str]:
    """How the gap splits over the categories, and what Python itself costs."""
    rows = [row for row in diff.rows if row.verdict != "same" and row.delta]
    if not rows or not diff.total.delta or len(diff.rows) == 1:
        return []
    parts = [f"{name_of(row.key[0], 'category')} {format_cost(row.delta, diff.unit, signed=True)}" for row in rows]
    lines = [f"The gap by category: {', '.join(parts)}."]
    python = [row for row in diff.rows if row.key[0] in ("interpreter", "binding")]
    for side, costs, shares in (
        ("A", [row.baseline for row in python], sum(row.baseline_share for row in python)),
        ("B", [row.candidate for row in python], sum(row.candidate_share for row in python)),
    ):
        cost = sum(value or 0.0 for value in costs)
        if cost:
            amount = format_cost(cost, diff.unit) + (" a step" if diff.per_step else "")
            share = format_cost(shares, SHARES)
            lines.append(f"Python itself (interpreter and binding) costs {side} {amount}, {share} of its whole.")
    return lines


def _places(diff: Diff) -> list[str]:
    """The layers and operators with the largest differences."""
    rows = [row for row in diff.rows if row.verdict != "same"][:_NAMED]
    if not rows:
        return []
    parts = [f"{_label(row, diff.by)} {format_cost(row.delta, diff.unit, signed=True)}" for row in rows]
    return [f"The largest differences: {'; '.join(parts)}."]


def _lonely(diff: Diff) -> list[str]:
    """What only one side has, in order of cost."""
    lines = []
    for verdict, side in (("only in baseline", "A"), ("only in candidate", "B")):
        rows = [row for row in diff.rows if row.verdict == verdict and row.delta]
        if rows:
            cost = format_cost(sum(abs(row.delta) for row in rows), diff.unit)
            parts = [f"{_label(row, diff.by)} {format_cost(abs(row.delta), diff.unit)}" for row in rows[:_NAMED]]
            more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
            lines.append(f"Only in {side} ({cost} in all): {'; '.join(parts)}{more}.")
    return lines
