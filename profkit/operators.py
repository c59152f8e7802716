"""Names and categories of operators: what a row is called, and what its self cost is spent on.

Every self cost has exactly one category. An operator that leaves its work to others spends its own time choosing and
calling them (dispatch); one that does not does the work itself (kernel), unless it only allocates or copies (memory) or
only makes a view (dispatch). An operator that launches work on a device only dispatches it: the device's row is the
kernel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from profkit.columns import Flags, Ints
from profkit.schema import CATEGORIES

_CODES = {name: code for code, name in enumerate(CATEGORIES)}
_EVALUATE = "autograd::engine::evaluate_function: "

MEMORY = frozenset({
    "empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided", "new_zeros",
    "new_ones", "new_full", "zeros", "ones", "zeros_like", "ones_like", "full", "full_like", "fill", "fill_",
    "zero", "zero_", "copy_", "clone", "_to_copy", "_copy_from", "_copy_from_and_resize", "resize_", "resize_as_",
    "resize_output", "resize_output_", "set_", "_foreach_zero_", "_foreach_copy_", "lift_fresh_copy",
    "pin_memory", "_pin_memory", "record_stream", "_local_scalar_dense",
})  # fmt: skip
# `to`, `contiguous` and `reshape` are here because a leaf of that name found nothing to copy.
VIEWS = frozenset({
    "to", "contiguous", "item", "view", "_unsafe_view", "view_as", "reshape", "_reshape_alias", "as_strided",
    "as_strided_", "t", "t_", "transpose", "transpose_", "permute", "expand", "expand_as", "squeeze", "squeeze_",
    "unsqueeze", "unsqueeze_", "flatten", "unflatten", "select", "slice", "narrow", "split", "split_with_sizes",
    "chunk", "unbind", "diagonal", "alias", "detach", "detach_", "lift_fresh", "real", "imag", "movedim",
    "moveaxis", "swapaxes", "swapdims", "unfold", "view_as_real", "view_as_complex", "numpy_T", "mT", "mH",
    "adjoint", "data", "resolve_conj", "resolve_neg", "conj", "_conj", "_neg_view",
    "_has_compatible_shallow_copy_type", "is_nonzero", "result_type", "set_data", "requires_grad_", "retain_grad",
    "_is_zerotensor", "size", "stride", "dim", "numel", "is_floating_point", "_nested_view_from_buffer", "values",
    "indices", "_values", "_indices", "output_nr", "_version", "is_leaf",
    "_nnz", "sparse_dim", "dense_dim", "is_coalesced", "_coalesced", "_coalesced_", "crow_indices", "col_indices",
    "ccol_indices", "row_indices", "qscheme", "q_zero_point", "q_scale", "broadcast_tensors", "broadcast_to",
})  # fmt: skip
_BACKWARD = re.compile(r"(?:Backward|BackwardBackward)\d*$|^torch::autograd::|^struct torch::autograd::")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_BARE_ADDRESS = re.compile(r"\A0x[0-9a-fA-F]+\Z")
_STEP = re.compile(r"^ProfilerStep#\d+$")
_DATA = re.compile(
    r"^enumerate\(DataLoader\)|_MultiProcessingDataLoaderIter|_SingleProcessDataLoaderIter|^phase/data$|dataloader\.py\("
)


def canonical(symbol: str) -> str:
    """The operator's name as every tool's importer writes it.

    >>> canonical("aten::addmm")
    'aten::addmm'
    >>> canonical("struct torch::autograd::AccumulateGrad")
    'torch::autograd::AccumulateGrad'
    >>> canonical("conv2d")
    'aten::conv2d'
    """
    name = symbol.replace("struct torch::", "torch::", 1)
    # Before Kineto, operators were written without their namespace.
    return f"aten::{name}" if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else name


def plain(symbol: str) -> str:
    """A symbol without what differs from one run, or one step, to the next: addresses and numbers of steps.

    >>> plain("<built-in method values of dict object at 0x7f21920494c0>"), plain("ProfilerStep#12")
    ('<built-in method values of dict object>', 'ProfilerStep#*')
    >>> plain("0x7f89dd5803b6")
    '0x*'
    """
    return _BARE_ADDRESS.sub("0x*", _ADDRESS.sub("", _STEP.sub("ProfilerStep#*", symbol)))


def is_backward(symbol: str) -> bool:
    """Whether an operator of this name is a node of the autograd graph, or the engine evaluating one.

    >>> is_backward("autograd::engine::evaluate_function: AddmmBackward0"), is_backward("AddmmBackward0")
    (True, True)
    >>> is_backward("aten::convolution_backward")
    False
    """
    return symbol.startswith(_EVALUATE) or _BACKWARD.search(symbol) is not None


def category_of_leaf(symbol: str) -> str:
    """What an operator that calls no other operator spends its time on.

    >>> [category_of_leaf(name) for name in ("aten::addmm", "aten::empty", "aten::view", "ReluBackward0")]
    ['kernel', 'memory', 'dispatch', 'dispatch']
    """
    if _DATA.search(symbol):
        return "data"
    if is_backward(symbol):
        return "dispatch"
    plain = canonical(symbol).removeprefix("aten::").partition(".")[0]
    return "memory" if plain in MEMORY else "dispatch" if plain in VIEWS else "kernel"


def category_of_scope(symbol: str, language: str | None) -> str:
    """What a scope's own time, outside every operator, is spent on.

    >>> category_of_scope("layer/conv1", "python"), category_of_scope("layer/conv1", "c++")
    ('interpreter', 'other')
    """
    return "data" if _DATA.search(symbol) else "interpreter" if language == "python" else "other"


def category_of_python(symbol: str) -> str:
    """What a Python function's own time is spent on.

    >>> category_of_python("torch/utils/data/dataloader.py(630): __next__")
    'data'
    """
    return "data" if _DATA.search(symbol) else "interpreter"


def category_of_device(symbol: str) -> str:
    """What a device is busy with.

    >>> category_of_device("Memcpy HtoD (Pageable -> Device)"), category_of_device("ampere_sgemm_32x32_sliced1x4_tn")
    ('memory', 'kernel')
    """
    return (
        "memory"
        if re.match(r"(?:Memcpy|Memset|hipMem|CopyHostTo|CopyDeviceTo|FillBuffer)", symbol, re.IGNORECASE)
        else "kernel"
    )


def categories(
    kind: Ints, kinds: Sequence[str], name: Ints, names: Sequence[str], dispatches: Flags, language: str | None
) -> Ints:
    """Category of each row.

    Args:
        kind: code of the kind of each row in `kinds`, shape (rows,).
        kinds: operator, scope, python, runtime, kernel.
        name: code of each row's symbol in `names`, shape (rows,).
        names: the symbols.
        dispatches: operators that leave their work to other operators or to a device, shape (rows,).
        language: python, c++ or None where it is not known.

    Returns:
        Codes in `schema.CATEGORIES`, shape (rows,).
    """
    by_kind = {
        "operator": category_of_leaf,
        "scope": lambda symbol: category_of_scope(symbol, language),
        "python": category_of_python,
        "runtime": lambda _: "runtime",
        "kernel": category_of_device,
    }
    result = np.full(len(kind), _CODES["other"], np.int8)
    for code, kind_name in enumerate(kinds):
        rows = kind == code
        if not rows.any():
            continue
        used = np.zeros(len(names), bool)
        used[name[rows]] = True
        table = np.full(len(names), _CODES["other"], np.int8)
        for symbol in np.flatnonzero(used).tolist():
            table[symbol] = _CODES[by_kind[kind_name](names[symbol])]
        result[rows] = table[name[rows]]
        if kind_name == "operator":
            result[rows & dispatches & (result == _CODES["kernel"])] = _CODES["dispatch"]
            result[rows & dispatches & (result == _CODES["memory"])] = _CODES["dispatch"]
    return result
