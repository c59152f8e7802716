"""What a torch trace says of the inputs of its operators: `Input Dims`, `Input type` and `Concrete Inputs`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np

from profkit.columns import NONE, Ints, from_codes

DTYPES = {
    "float": "float32", "double": "float64", "c10::Half": "float16", "c10::BFloat16": "bfloat16", "int": "int32",
    "long int": "int64", "long": "int64", "long long": "int64", "short": "int16", "short int": "int16",
    "signed char": "int8", "unsigned char": "uint8", "unsigned short": "uint16", "unsigned int": "uint32",
    "unsigned long": "uint64", "bool": "bool", "c10::complex<float>": "complex64", "c10::complex<double>": "complex128",
    "c10::complex<c10::Half>": "complex32", "c10::Float8_e4m3fn": "float8_e4m3fn", "c10::Float8_e5m2": "float8_e5m2",
    "c10::Float8_e4m3fnuz": "float8_e4m3fnuz", "c10::Float8_e5m2fnuz": "float8_e5m2fnuz", "c10::qint8": "qint8",
    "c10::quint8": "quint8", "c10::qint32": "qint32",
}  # fmt: skip
"""Torch's name of each element type by the name that C++ has for it, which traces use."""


def input_columns(code: Ints, texts: list[tuple[bytes, bytes, bytes]]) -> dict[str, Any]:
    """Columns input_shapes, dtype and inputs.

    Args:
        code: place in `texts` of each row, -1 for none, shape (rows,).
        texts: JSON of the three fields, each empty where the trace does not have it.
    """
    shapes, dtypes, inputs = _Column(len(texts)), _Column(len(texts)), _Column(len(texts))
    for index, (dims, types, values) in enumerate(texts):
        sizes = msgspec.json.decode(dims) if dims else None
        kinds = msgspec.json.decode(types) if types else None
        if isinstance(sizes, list):
            numbers = msgspec.json.decode(values) if values else []
            shapes.put(index, _text(sizes))
            inputs.put(index, ",".join((_text(sizes), _text(_types(kinds or [])), _text(numbers))))
        dtypes.put(index, _first_dtype(kinds))
    return {"input_shapes": shapes.of(code), "dtype": dtypes.of(code), "inputs": inputs.of(code)}


class _Column:
    """A dictionary column: a text, or none, for each of some distinct inputs."""

    def __init__(self, size: int) -> None:
        self._codes: dict[str, int] = {}
        self._code = np.full(size + 1, NONE, np.int32)  # the last is that of rows without inputs

    def put(self, index: int, text: str | None) -> None:
        if text is not None:
            self._code[index] = self._codes.setdefault(text, len(self._codes))

    def of(self, code: Ints) -> Any:
        return from_codes(self._code[code], list(self._codes))


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _types(told: Any) -> Any:
    """The types by torch's names; `Scalar`, `TensorList` and the like as they are."""
    if isinstance(told, list):
        return [_types(entry) for entry in told]
    return DTYPES.get(str(told), str(told))


def _first_dtype(types: Any) -> str | None:
    """Name by torch of the element type of the first tensor; nested lists are lists of tensors."""
    for entry in types if isinstance(types, list) else ():
        dtype = _first_dtype(entry) if isinstance(entry, list) else DTYPES.get(str(entry))
        if dtype is not None:
            return dtype
    return None
