"""Types of elements: torch's numbers for them, and the type that a result has."""

from __future__ import annotations

from profkit.costs import ITEMSIZE, CostUnknownError, Inputs, Tensor

_NAMES = (
    "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex32", "complex64",
    "complex128", "bool", "qint8", "quint8", "qint32", "bfloat16", "quint4x2", "quint2x4", "bits1x8", "bits2x4",
    "bits4x2", "bits8", "bits16", "float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz", "float8_e4m3fnuz", "uint16",
    "uint32", "uint64",
)  # fmt: skip
"""In the order of `c10::ScalarType`."""

CODES = {name: code for code, name in enumerate(_NAMES)}
"""torch's number of each type, as traces have it among the concrete inputs."""

_KINDS = ("bool", "integer", "floating", "complex")


def _kind(dtype: str) -> int:
    if dtype not in ITEMSIZE:
        raise CostUnknownError(f"unknown type {dtype}")
    if dtype == "bool":
        return 0
    return 3 if dtype.startswith("complex") else 2 if dtype.startswith(("float", "bfloat")) else 1


def wider(a: str, b: str) -> str:
    """The type that two of one kind are computed in.

    >>> wider("float16", "bfloat16"), wider("uint8", "int8"), wider("float32", "float64")
    ('float32', 'int16', 'float64')
    """
    if a == b:
        return a
    if ITEMSIZE[a] != ITEMSIZE[b]:
        large, small = (a, b) if ITEMSIZE[a] > ITEMSIZE[b] else (b, a)
        signs = large.startswith("uint") and not small.startswith("uint")
        return _signed(ITEMSIZE[large]) if signs else large
    if _kind(a) == 1:
        return _signed(ITEMSIZE[a])
    return "float16" if ITEMSIZE[a] == 1 else "float32"


def _signed(itemsize: int) -> str:
    """The signed type that holds the unsigned one of a size."""
    return {1: "int16", 2: "int32"}.get(itemsize, "int64")


def promoted(*tensors: Tensor) -> str | None:
    """The type of the result of arithmetic on tensors, by torch's rules; None where the type of one is not known.

    A tensor without dimensions, which a number is too, decides only if its kind is higher, and then, as for a number,
    by the default of that kind.

    >>> promoted(Tensor((8, 4), "bfloat16"), Tensor((), "float64"))
    'bfloat16'
    >>> promoted(Tensor((3,), "int64"), Tensor((3,), "float16"))
    'float16'
    >>> promoted(Tensor((3,), "int64"), Tensor((), "float64"))
    'float32'
    """
    types = [(tensor.dtype, bool(tensor.shape)) for tensor in tensors if tensor.dtype is not None]
    if len(types) != len(tensors) or not types:
        return None
    shaped = _widest([dtype for dtype, has_shape in types if has_shape])
    bare = _widest([dtype for dtype, has_shape in types if not has_shape])
    if shaped is None or bare is None:
        return shaped or bare
    if _kind(bare) <= _kind(shaped):
        return shaped
    paired = {"float64": "complex128", "float16": "complex32"}.get(shaped, "complex64")
    return {1: "int64", 2: "float32", 3: paired}[_kind(bare)]


def _widest(types: list[str]) -> str | None:
    if not types:
        return None
    highest = max(map(_kind, types))
    if highest == 3 and "float64" in types:
        return "complex128"
    found = [dtype for dtype in types if _kind(dtype) == highest]
    result = found[0]
    for dtype in found[1:]:
        result = wider(result, dtype)
    return result


def arithmetic(tensor: Tensor, count: int) -> int:
    """`count` operations if they are on floating-point numbers, else none.

    >>> arithmetic(Tensor((3,)), 7), arithmetic(Tensor((3,), "int64"), 7)
    (7, 0)
    """
    return count if tensor.floating else 0


def requested(inputs: Inputs, place: int, otherwise: str | None) -> str | None:
    """The type that is asked for at a place, by torch's number; `otherwise` where none is.

    Raises:
        CostUnknownError: the trace does not say it, or there is no such type.

    >>> from profkit.costs import call
    >>> requested(call((3,), 5), 1, "float32"), requested(call((3,), None), 1, "float32")
    ('float16', 'float32')
    """
    if place >= len(inputs) or inputs.values[place] is None:
        return otherwise
    code = inputs.whole(place)
    if not 0 <= code < len(_NAMES):
        raise CostUnknownError(f"{code} is no type of elements")
    return _NAMES[code]
