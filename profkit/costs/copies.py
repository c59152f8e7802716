"""Copies, casts, fillings and selections: no FLOP but where numbers are added up, traffic alone.

What is picked by an index is read as often as it is picked, and what is not picked is not read.
"""

from __future__ import annotations

from profkit.costs import UNTOLD, Cost, CostFamily, CostUnknownError, Formula, Inputs, Shape, Tensor, broadcast, traffic
from profkit.costs.element_types import arithmetic, promoted, requested
from profkit.costs.reductions import reduced


def _told(inputs: Inputs, place: int) -> bool:
    """Whether the trace says the value at a place; where it does not, only the bytes are unknown."""
    return place < len(inputs) and inputs.values[place] is not None and inputs.values[place] is not UNTOLD


def copy(inputs: Inputs) -> Cost:
    """`aten::copy_`, of (target, source): reads the one and writes the other, whatever their types.

    >>> from profkit.costs import Tensor, call
    >>> copy(call((8, 3), Tensor((8, 3), "float16"), False))
    Cost(flop=0, traffic_bytes=144)
    """
    return Cost(0, traffic(inputs.tensor(0), inputs.tensor(1)))


def clone(inputs: Inputs) -> Cost:
    """`aten::clone`, `aten::flip`, `aten::roll` and the like: as much is written as read.

    >>> from profkit.costs import call
    >>> clone(call((8, 3), None))
    Cost(flop=0, traffic_bytes=192)
    """
    x = inputs.tensor(0)
    return Cost(0, traffic(x, x))


def to_copy(inputs: Inputs) -> Cost:
    """`aten::_to_copy`, of (x, type, ...): written in the type that is asked for.

    >>> from profkit.costs import UNTOLD, call
    >>> to_copy(call((8, 3), 5)), to_copy(call((8, 3), UNTOLD))
    (Cost(flop=0, traffic_bytes=144), Cost(flop=0, traffic_bytes=None))
    """
    x = inputs.tensor(0)
    try:
        dtype = requested(inputs, 1, x.dtype)
    except CostUnknownError:
        dtype = None
    return Cost(0, traffic(x, Tensor(x.shape, dtype)))


def fill(inputs: Inputs) -> Cost:
    """`aten::fill_`, `aten::zero_`: written, not read.

    >>> from profkit.costs import call
    >>> fill(call((8, 3), 0))
    Cost(flop=0, traffic_bytes=96)
    """
    return Cost(0, traffic(inputs.tensor(0)))


def concatenate(inputs: Inputs) -> Cost:
    """`aten::cat`, `aten::stack`: every tensor is read and written once; a trace lists them only if they are few.

    >>> from profkit.costs import call
    >>> concatenate(call([(8, 3), (2, 3)], 0)), concatenate(call([], 0))
    (Cost(flop=0, traffic_bytes=240), Cost(flop=0, traffic_bytes=None))
    """
    tensors = inputs.tensors(0)
    if not tensors:
        return Cost(0, None)
    out = Tensor((sum(tensor.elements for tensor in tensors),), promoted(*tensors))
    return Cost(0, traffic(*tensors, out))


def _numbers(inputs: Inputs) -> tuple[int, ...]:
    """However many there are at place 1."""
    given = inputs.values[1]
    return inputs.wholes(1, len(given) if isinstance(given, tuple) else 1)


def _sizes(inputs: Inputs) -> tuple[int, ...] | None:
    """The sizes at place 1; None where the trace does not say them."""
    if not _told(inputs, 1):
        return None
    sizes = _numbers(inputs)
    if min(sizes, default=0) < 0:
        raise CostUnknownError(f"a size is {min(sizes)}")
    return sizes


def pad(inputs: Inputs) -> Cost:
    """`aten::constant_pad_nd` and the like, of (x, elements before and after, from the last dimension on).

    >>> from profkit.costs import call
    >>> pad(call((8, 3), [1, 1], 0.0))
    Cost(flop=0, traffic_bytes=256)
    """
    x = inputs.tensor(0)
    if not _told(inputs, 1):
        return Cost(0, None)
    ends = _numbers(inputs)
    if len(ends) % 2 or len(ends) > 2 * len(x.shape):
        raise CostUnknownError(f"{x.shape} cannot be padded by {ends}")
    shape = list(x.shape)
    for place, size in enumerate(ends):
        shape[-1 - place // 2] += size
    if min(shape, default=0) < 0:
        raise CostUnknownError(f"{x.shape} cannot be padded by {ends}")
    return Cost(0, traffic(x, Tensor(tuple(shape), x.dtype)))


def repeat(inputs: Inputs) -> Cost:
    """`aten::repeat`, of (x, times along each dimension).

    >>> from profkit.costs import call
    >>> repeat(call((3,), [8, 2]))
    Cost(flop=0, traffic_bytes=204)
    """
    x = inputs.tensor(0)
    times = _sizes(inputs)
    return Cost(0, None if times is None else traffic(x, Tensor((x.elements, *times), x.dtype)))


def _rest(x: Tensor, dim: int) -> Shape:
    """Elements beside one dimension."""
    return (reduced(x.shape, (dim,)),)


def index_select(inputs: Inputs) -> Cost:
    """`aten::index_select`, of (x, dimension, index): reads what is picked.

    >>> from profkit.costs import Tensor, call
    >>> index_select(call((100, 3), 0, Tensor((8,), "int64")))
    Cost(flop=0, traffic_bytes=256)
    """
    x, index = inputs.tensor(0), inputs.tensor(2)
    if not _told(inputs, 1):
        return Cost(0, None)
    picked = Tensor((*_rest(x, inputs.whole(1)), index.elements), x.dtype)
    return Cost(0, traffic(picked, index, picked))


def gather(inputs: Inputs) -> Cost:
    """`aten::gather`, of (x, dimension, index): an element for each of the index.

    >>> from profkit.costs import Tensor, call
    >>> gather(call((100, 3), 0, Tensor((8, 3), "int64")))
    Cost(flop=0, traffic_bytes=384)
    """
    x, index = inputs.tensor(0), inputs.tensor(2)
    picked = Tensor(index.shape, x.dtype)
    return Cost(0, traffic(picked, index, picked))


def scatter(*, adds: bool, in_place: bool) -> Formula:
    """`aten::scatter`, `aten::index_copy` and their sums, of (x, dimension, index, source).

    A sum is 1 FLOP an element of the source and reads the target there; in place, the rest of the target is not
    touched, else all of it is copied.

    >>> from profkit.costs import Tensor, call
    >>> scatter(adds=True, in_place=True)(call((100, 3), 0, Tensor((8, 3), "int64"), (8, 3)))
    Cost(flop=24, traffic_bytes=480)
    >>> scatter(adds=False, in_place=False)(call((100, 3), 0, Tensor((8, 3), "int64"), (8, 3)))
    Cost(flop=0, traffic_bytes=2688)
    """

    def cost(inputs: Inputs) -> Cost:
        x, index, source = inputs.tensor(0), inputs.tensor(2), inputs.optional(3)
        if source is None:
            return Cost(0, traffic(*((index, Tensor(index.shape, x.dtype)) if in_place else (x, index, x))))
        moved = Tensor(source.shape, x.dtype)
        target = ((moved, moved) if adds else (moved,)) if in_place else (x, x)
        return Cost(arithmetic(x, source.elements if adds else 0), traffic(index, source, *target))

    return cost


def indexed(inputs: Inputs) -> Cost:
    """`aten::index` and others whose result has a size that traces do not tell: no FLOP, and unknown traffic.

    >>> from profkit.costs import call
    >>> indexed(call((8, 3), None))
    Cost(flop=0, traffic_bytes=None)
    """
    inputs.tensor(0)
    return Cost(0, None)


def index_put(inputs: Inputs) -> Cost:
    """`aten::index_put_`, of (x, indices, values, whether to add): 1 FLOP for each value that is added.

    >>> from profkit.costs import call
    >>> index_put(call((8, 3), None, (5,), True))
    Cost(flop=5, traffic_bytes=None)
    """
    x, values = inputs.tensor(0), inputs.tensor(2)
    adds = inputs.flag(3) if len(inputs) > 3 else False
    return Cost(arithmetic(x, values.elements if adds else 0), None)


def where(inputs: Inputs) -> Cost:
    """`aten::where`, of (condition, a, b): a choice, no comparison; of numbers alone the type is not known.

    >>> from profkit.costs import Tensor, call
    >>> where(call(Tensor((8, 3), "bool"), (8, 3), ()))
    Cost(flop=0, traffic_bytes=220)
    """
    condition, choices = inputs.tensor(0), [inputs.optional(1), inputs.optional(2)]
    read = [tensor for tensor in choices if tensor is not None]
    if not read:
        return Cost(0, None)
    shape = broadcast(condition.shape, *(tensor.shape for tensor in read))
    return Cost(0, traffic(condition, *read, Tensor(shape, promoted(*read))))


def masked_fill(inputs: Inputs) -> Cost:
    """`aten::masked_fill`, of (x, mask, value).

    >>> from profkit.costs import Tensor, call
    >>> masked_fill(call((8, 3), Tensor((8, 1), "bool"), 0.0))
    Cost(flop=0, traffic_bytes=200)
    """
    x, mask = inputs.tensor(0), inputs.tensor(1)
    return Cost(0, traffic(x, mask, Tensor(broadcast(x.shape, mask.shape), x.dtype)))


def part_backward(inputs: Inputs) -> Cost:
    """`aten::slice_backward`, `aten::select_backward`, of (gradient, sizes of the whole): the whole is written.

    >>> from profkit.costs import call
    >>> part_backward(call((8, 2), [8, 3], 1, 0, 2, 1))
    Cost(flop=0, traffic_bytes=160)
    """
    gradient = inputs.tensor(0)
    sizes = _sizes(inputs)
    return Cost(0, None if sizes is None else traffic(gradient, Tensor(sizes, gradient.dtype)))


def part_scatter(inputs: Inputs) -> Cost:
    """`aten::slice_scatter`, `aten::select_scatter`, of (x, part, ...): a copy with a part of it replaced.

    >>> from profkit.costs import call
    >>> part_scatter(call((8, 3), (8, 2), 1, 0, 2, 1))
    Cost(flop=0, traffic_bytes=256)
    """
    x = inputs.tensor(0)
    return Cost(0, traffic(x, inputs.tensor(1), x))


_CLONES = (
    "clone", "flip", "roll", "rot90", "tril", "triu", "lift_fresh_copy", "_pin_memory", "pixel_shuffle",
    "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle", "diag_embed",
)  # fmt: skip
_PADS = ("constant_pad_nd", *(f"{kind}_pad{n}d" for kind in ("reflection", "replication") for n in (1, 2, 3)))
_INDEXED = ("index", "_unsafe_index", "masked_select", "nonzero", "nonzero_static", "take", "masked_scatter")

_FORMULAS: dict[str, Formula] = (
    dict.fromkeys(("copy", "_copy_from", "_copy_from_and_resize"), copy)
    | dict.fromkeys(_CLONES, clone)
    | dict.fromkeys(("fill", "zero"), fill)
    | dict.fromkeys(("cat", "concat", "concatenate", "stack", "hstack", "vstack", "_cat"), concatenate)
    | dict.fromkeys(_PADS, pad)
    | dict.fromkeys(_INDEXED, indexed)
    | dict.fromkeys(("index_put", "_unsafe_index_put", "_index_put_impl"), index_put)
    | dict.fromkeys(("slice_backward", "select_backward"), part_backward)
    | dict.fromkeys(("slice_scatter", "select_scatter"), part_scatter)
    | {
        f"{name}{suffix}": scatter(adds=name.endswith("add"), in_place=suffix == "_")
        for name in ("scatter", "scatter_add", "index_add", "index_copy", "index_fill")
        for suffix in ("", "_")
    }
    | {
        "_to_copy": to_copy,
        "repeat": repeat,
        "index_select": index_select,
        "gather": gather,
        "where": where,
        "masked_fill": masked_fill,
    }
)

COPIES = CostFamily(name="copies", formulas={f"aten::{name}": formula for name, formula in _FORMULAS.items()})
