"""Views and allocations cost nothing: neither arithmetic nor a byte that moves.

So do operators that leave all of their work to others that have formulas, such as `aten::zeros`, which fills, and
`aten::to`, `aten::contiguous` and `aten::reshape`, which copy only if they must.
"""

from __future__ import annotations

from profkit.costs import NOTHING, Cost, CostFamily, Inputs
from profkit.costs.copies import COPIES
from profkit.operators import MEMORY, VIEWS

_LEAVE_IT = frozenset({
    "broadcast_tensors", "broadcast_to", "is_pinned", "is_same_size", "ravel", "tensor_split", "hsplit", "vsplit",
    "dsplit", "flatten_dense_tensors", "unflatten_dense_tensors", "scalar_tensor", "pad", "numpy_t", "atleast_1d",
    "atleast_2d", "atleast_3d", "rand", "randn", "randint", "rand_like", "randn_like", "randint_like", "normal",
    "eye", "type_as", "cpu", "cuda", "float", "double", "half", "can_cast", "unsafe_split", "unsafe_chunk", "outer",
    "gather_backward", "index_select_backward", "embedding_backward", "cudnn_is_acceptable",
})  # fmt: skip


def nothing(_: Inputs) -> Cost:
    """`aten::view`, `aten::empty` and the like.

    >>> from profkit.costs import call
    >>> nothing(call((8, 3), [24]))
    Cost(flop=0, traffic_bytes=0)
    """
    return NOTHING


_NAMES = {f"aten::{name}" for name in VIEWS | MEMORY | _LEAVE_IT}

VIEW = CostFamily(
    name="views",
    formulas={
        name: nothing
        for name in sorted(_NAMES)
        if not {name, name.removesuffix("_")} & COPIES.formulas.keys() and "_foreach_" not in name
    },
)
