"""Give each record its layer, phase and step: pure, table to table.

A record belongs to the nearest scope around it. Scopes of profkit's own recordings are `ProfilerStep#<k>`,
`phase/<phase>` and `layer/<path>`; recordings of others are read by what torch itself marks. Backward operators ran in
no layer's scope: each is joined, by its sequence number, to the forward operator that it is the derivative of.

Samplers know no sequence numbers: there the functions of torch that a training step goes through tell the phase, and
what runs below the autograd engine has no layer, because nobody knows it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from profkit.calltree import inherit
from profkit.columns import NONE, Flags, Ints, from_codes, from_integers, integers, to_codes, to_integers
from profkit.operators import is_backward
from profkit.profile import Recording
from profkit.schema import PHASES
from profkit.torch_functions import CALLS, CANDIDATES, calls_module, phase_of_native, phase_of_python

_PHASE = {name: code for code, name in enumerate(PHASES)}
_STEP = re.compile(r"ProfilerStep#(\d+)")
_OPTIMIZER = re.compile(r"Optimizer\.(?:step|zero_grad)#")
_LABEL = re.compile(r"step/(?P<step>\d+)(?: (?P<phase>[a-z]+))?(?: layer/(?P<layer>.+))?")
_MODULE = "nn.Module: "
_MOST_DERIVATIVES = 4
_NATIVE = NONE - 1
"""Among phases: opens none, and its name is none of an operator."""


def place(recording: Recording) -> Recording:
    """Fill the columns layer, phase and step, and the number of steps where the run does not have it.

    Args:
        recording: of any tool. With labelled parts (`scope`), the labels are read, else the forest, if it is one.

    Returns:
        The recording; a record outside every layer, phase or step has null there.
    """
    records = recording.records
    labelled = records["scope"].null_count < records.num_rows
    if recording.calls is not None and not labelled:
        return recording  # the functions of a call graph are no scopes
    columns, steps = _from_labels(records) if labelled else _from_forest(records)
    run = recording.run
    if run.steps is not None and run.steps < steps:
        whole = to_integers(columns["step"])
        columns["step"] = from_integers(np.where(whole < run.steps, whole, NONE).astype(np.int32))
    for name, column in columns.items():
        records = records.set_column(records.schema.get_field_index(name), records.schema.field(name), column)
    return replace(recording, run=run if run.steps or not steps else replace(run, steps=steps), records=records)


def _from_labels(records: pa.Table) -> tuple[dict[str, Any], int]:
    """Layer, phase and step from labels `step/<k> <phase> [layer/<path>]`; other labels say nothing."""
    codes, labels = to_codes(records["scope"])
    parsed = [_LABEL.fullmatch(label) for label in labels]
    layers: dict[str, int] = {}
    layer, phase, step = (np.full(len(labels) + 1, NONE, np.int32) for _ in range(3))
    for index, match in enumerate(parsed):
        if match is None:
            continue
        step[index] = int(match["step"])
        phase[index] = _PHASE.get(match["phase"] or "", NONE)
        if match["layer"]:
            layer[index] = layers.setdefault(match["layer"], len(layers))
    columns = {
        "layer": from_codes(layer[codes], list(layers)),
        "phase": from_codes(phase[codes], PHASES),
        "step": from_integers(step[codes]),
    }
    return columns, int(step.max()) + 1


def _from_forest(records: pa.Table) -> tuple[dict[str, Any], int]:
    """Layer, phase and step from the scopes around each record, or around the record that launched it."""
    name, known = to_codes(records["symbol"])
    names = [*known, ""]  # where a record without a symbol, whose code is -1, finds nothing
    link = _links(records)
    start = to_integers(records["start_ns"])
    step, steps = _steps(records, name, names, link, start)
    own_layer, layers = _own_layers(names)
    own_layer, own_phase = own_layer[name], _own_phases(names)[name]
    functions, calls = _of_functions(records, name, names)
    if functions is not None:
        own_phase = np.where(functions > NONE, functions, np.where(functions == NONE, own_phase, NONE))
        # A layer that was opened within the backward pass is one of it.
        around = np.append(inherit(link, own_phase), NONE)[link]
        begins = (functions == _PHASE["backward"]) & (around != _PHASE["backward"])
        own_layer = np.where(begins, len(layers), own_layer)
    backward, forward, number = _derivatives(records, name, names, start)
    layer = _layers(link, own_layer, backward, forward)
    if functions is not None:
        layer = np.where(layer == len(layers), NONE, layer)
    phase = inherit(link, own_phase)
    # Work that some derivative was taken of is forward work, and so is whatever ran in a layer and in no other phase.
    if np.any(phase < 0):
        own = np.where(phase < 0, NONE, own_phase).astype(np.int32)
        own[number[phase[number] < 0]] = _PHASE["forward"]
        own[((layer >= 0) | calls) & (phase < 0)] = _PHASE["forward"]
        phase = np.where(phase < 0, inherit(link, own), phase)
    return {
        "layer": from_codes(layer, layers),
        "phase": from_codes(phase, PHASES),
        "step": from_integers(step),
    }, steps


def _links(records: pa.Table) -> Ints:
    """Row that each record takes its place from: its caller, or on a device its launcher; -1 where there is neither."""
    parent = to_integers(records["parent_id"])
    if records["launcher_id"].null_count == records.num_rows:
        return parent
    return np.where(parent >= 0, parent, to_integers(records["launcher_id"]))


def _steps(records: pa.Table, name: Ints, names: list[str], link: Ints, start: Ints) -> tuple[Ints, int]:
    """Step of each record, from 0 in order of start, and their number; records of other threads go by their time."""
    numbers = np.array([int(match[1]) if (match := _STEP.fullmatch(text)) else NONE for text in names], np.int64)
    rows = np.flatnonzero(numbers[name] >= 0) if len(names) else np.zeros(0, np.int64)
    if not len(rows):
        return np.full(len(name), NONE, np.int32), 0
    rows = rows[np.argsort(start[rows], kind="stable")]
    _, first, index = np.unique(numbers[name[rows]], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first)).astype(np.int32)
    own = np.full(len(name), NONE, np.int32)
    own[rows] = rank[index]
    step = inherit(link, own)
    lost = np.flatnonzero(step < 0)
    end = start[rows] + to_integers(records["total_ns"].take(integers(rows)))
    on_host = _on_host(records, lost)
    before = np.searchsorted(start[rows], start[lost], side="right") - 1
    inside = on_host & (before >= 0) & (start[lost] < end[before])
    step[lost[inside]] = own[rows[before[inside]]]
    return inherit(link, step), len(first)


def _on_host(records: pa.Table, rows: Ints) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether records ran on the host: a device runs later than what launched it, so that its time tells no step."""
    codes, kinds = to_codes(records["kind"].take(integers(rows)))
    return codes != (kinds.index("kernel") if "kernel" in kinds else NONE - 1)


def _own_layers(names: list[str]) -> tuple[Ints, list[str]]:
    """Layer that each name opens or -1, shape (names,): our scopes, or torch's module rows where there are none."""
    prefix = "layer/" if any(text.startswith("layer/") for text in names) else _MODULE
    layers: dict[str, int] = {}
    codes = [
        layers.setdefault(text.removeprefix(prefix), len(layers)) if text.startswith(prefix) else NONE for text in names
    ]
    return np.array(codes, np.int32), list(layers)


def _own_phases(names: list[str]) -> Ints:
    """Phase that each name opens or -1, shape (names,)."""
    return np.array([_PHASE.get(_phase_of(text), NONE) for text in names], np.int32)


def _phase_of(symbol: str) -> str:
    if symbol.startswith("phase/"):
        return symbol.removeprefix("phase/")
    if _OPTIMIZER.match(symbol):
        return "optimizer"
    if symbol.startswith("enumerate(DataLoader)"):
        return "data"
    return "backward" if is_backward(symbol) else ""


def _of_functions(records: pa.Table, name: Ints, names: list[str]) -> tuple[Ints | None, Flags]:
    """What functions of torch tell, where they are named by themselves and their file stands beside.

    Returns:
        Phase that each record opens, -1 for none, -2 for native code, whose names are no operators' names; None where
        no record can have one. And the records that call a module.
    """
    none = np.zeros(len(name), bool)
    kind, kinds = to_codes(records["kind"])
    scoped = np.array(["::" in text for text in names], bool)  # C++, where the tool does not tell what it is
    native = (kind == kinds.index("native") if "native" in kinds else none) | ((kind < 0) & scoped[name])
    opens = np.array([CANDIDATES.fullmatch(text) is not None for text in names], bool)
    calls = np.array([CALLS.fullmatch(text) is not None for text in names], bool)
    if not native.any() and not opens.any() and not calls.any():
        return None, none
    phases, calling = np.where(native, _NATIVE, NONE).astype(np.int32), none.copy()
    rows = np.flatnonzero((opens | calls)[name])
    file, files = to_codes(records["file"].take(integers(rows)))
    pairs, place = np.unique(name[rows].astype(np.int64) * (len(files) + 1) + file + 1, return_inverse=True)
    found = np.full((2, 2, len(pairs)), NONE, np.int32)
    for index, pair in enumerate(pairs.tolist()):
        symbol, where = names[pair // (len(files) + 1)], [*files, ""][pair % (len(files) + 1) - 1]
        found[0, 0, index] = _PHASE.get(phase_of_python(symbol, where) or "", NONE)
        found[1, 0, index] = _PHASE.get(phase_of_native(symbol) or "", _NATIVE)
        found[0, 1, index] = calls_module(symbol, where)
    phases[rows] = found[native[rows].astype(np.int8), 0, place]
    calling[rows] = found[native[rows].astype(np.int8), 1, place] > 0
    return phases, calling


def _layers(link: Ints, own: Ints, backward: Ints, forward: Ints) -> Ints:
    """Layer of each record: a backward one takes that of its forward one, which may itself be of a derivative."""
    layer = inherit(link, own)
    own = own.copy()
    for _ in range(_MOST_DERIVATIVES):
        found = layer[forward]
        if not np.any(own[backward] != found):
            break
        own[backward] = found
        layer = inherit(link, own)
    return layer


def _derivatives(records: pa.Table, name: Ints, names: list[str], start: Ints) -> tuple[Ints, Ints, Ints]:
    """Join backward records to forward ones.

    The number that an operator carries is that of the next autograd node to be made, so that several carry the same:
    the node is made by the last of them. Numbers count on each thread alone.

    Returns:
        Backward records, the forward record of each, and all forward records that carry a joined number.
    """
    sequence = to_integers(records["sequence"])
    numbered = np.flatnonzero(sequence >= 0)
    is_derivative = (
        np.array([is_backward(text) for text in names], bool)[name[numbered]] if len(numbered) else numbered > 0
    )
    backward, forward = numbered[is_derivative], numbered[~is_derivative]
    none = np.zeros(0, np.int64)
    if not len(backward) or not len(forward):
        return none, none, none
    thread, _ = to_codes(records["thread"].take(integers(forward)))
    forward_thread = to_integers(records["forward_thread"].take(integers(backward)))
    owner = _owners(thread, sequence[forward], start[forward], sequence[backward], forward_thread)
    span = int(sequence[numbered].max()) + 1
    keys = thread.astype(np.int64) * span + sequence[forward]
    order = np.lexsort((start[forward], keys))
    keys, candidates = keys[order], forward[order]
    wanted = owner.astype(np.int64) * span + sequence[backward]
    found = np.searchsorted(keys, wanted, side="right") - 1
    while True:
        same = (owner >= 0) & (found >= 0) & (keys[found] == wanted)
        late = same & (start[candidates[found]] > start[backward])
        if not late.any():
            break
        found[late] -= 1
    return backward[same], candidates[found[same]], candidates[np.isin(keys, wanted[same])]


def _owners(thread: Ints, sequence: Ints, start: Ints, wanted: Ints, number: Ints) -> Ints:
    """Thread that the forward operators of each backward record ran on, -1 where none has its number.

    `number` is torch's own count of threads, which the forward rows do not carry: the thread taken is the one whose
    operators have most of the sequence numbers; among equals the threads go in the order in which they began.

    Args:
        thread: code of the thread of each forward record, shape (forward,).
        sequence: their sequence numbers, shape (forward,).
        start: their starts [ns], shape (forward,).
        wanted: sequence number of each backward record, shape (backward,).
        number: forward thread of each backward record as torch counts it, shape (backward,).
    """
    threads, first = np.unique(thread, return_index=True)
    if len(threads) == 1:
        return np.full(len(wanted), threads[0], np.int32)
    threads = threads[np.argsort(start[first], kind="stable")]
    owner = np.full(len(wanted), NONE, np.int32)
    taken = np.zeros(len(threads), bool)
    known = [np.unique(sequence[thread == code]) for code in threads]
    for value in np.unique(number):
        rows = number == value
        shares = np.array([np.count_nonzero(np.isin(wanted[rows], numbers)) for numbers in known])
        best = int(np.lexsort((taken, -shares))[0])
        if shares[best]:
            owner[rows] = threads[best]
            taken[best] = True
    return owner
