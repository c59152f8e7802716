"""CIFAR-10's pickles for Python: a dict with `data`, u8 (n, 3072), and `labels`, n integers.

A pickle can name any function of any module to be called while it is read. Here it can name only what numpy arrays are
made of, and even that leads to stand-ins which do nothing but keep the values.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from profkit.datasets import Images, Labels
from profkit.errors import InputError

_ROW_BYTES = 3 * 32 * 32
_HINT = "is it a file of CIFAR-10 for Python? download it again"
_BROKEN = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading a pickle raises that is cut off or damaged."""


class _Dtype:
    """In place of `numpy.dtype`."""

    def __init__(self, name: object, *_flags: object) -> None:
        self.name = name.decode() if isinstance(name, bytes) else name

    def __setstate__(self, _state: object) -> None:
        """Byte order and alignment, of which one-byte values have none."""


class _Array:
    """In place of `numpy.ndarray` and of the function that begins one."""

    def __init__(self, *_: object) -> None:
        self.shape: Any = None
        self.dtype: Any = None
        self.order = "C"
        self.content: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, self.shape, self.dtype, column_major, self.content = state
        self.order = "F" if column_major else "C"


def _array_from_buffer(content: object, dtype: object, shape: object, order: str) -> _Array:
    array = _Array()
    array.content, array.dtype, array.shape, array.order = content, dtype, shape, order
    return array


def _bytes_from_text(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in protocol 2."""
    if encoding != "latin1":
        raise ValueError(f"text encoded as {encoding}")
    return text.encode("latin1")


_ALLOWED = {
    ("_codecs", "encode"): _bytes_from_text,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.numeric", "_frombuffer"): _array_from_buffer,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _array_from_buffer,
}
"""Every global that such a file needs, as numpy 1 and numpy 2 call it."""


class _ArrayUnpickler(pickle.Unpickler):
    """Builds numbers, strings, lists, dicts and stand-ins of arrays, and nothing else."""

    def __init__(self, data: bytes, path: Path) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")  # written by Python 2, whose strings were bytes
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a global.

        Raises:
            InputError: it is none that an array needs.
        """
        if (module, name) not in _ALLOWED:
            raise InputError(
                f"{self._path} wants {module}.{name}, which no file of CIFAR-10 needs",
                "it was not read further: such a pickle can run any program; download it again",
            )
        return _ALLOWED[module, name]


def parse_pickle(data: bytes, path: Path) -> tuple[Images, Labels]:
    """The images (n, 3, 32, 32) and labels (n,) of one file.

    Args:
        data: what the file holds.
        path: of the file, for errors.

    Raises:
        InputError: no pickle, cut off, without `data` or `labels` as they should be, or naming a global that is not
            part of an array.
    """
    try:
        content = _ArrayUnpickler(data, path).load()
    except _BROKEN as error:
        raise InputError(f"{path} is no readable pickle: {error or type(error).__name__}", _HINT) from error
    missing = [name for name in ("data", "labels") if not isinstance(content, dict) or name.encode() not in content]
    if missing:
        raise InputError(f"{path} has no {' and no '.join(missing)}", _HINT)
    images, labels = _images(content[b"data"], path), _labels(content[b"labels"], path)
    if len(images) != len(labels):
        raise InputError(f"{path} has {len(images)} images and {len(labels)} labels", _HINT)
    return images, labels


def _images(array: object, path: Path) -> Images:
    if not isinstance(array, _Array) or not isinstance(array.dtype, _Dtype) or array.dtype.name not in ("u1", "uint8"):
        raise InputError(f"{path}: data is no array of bytes", _HINT)
    if not isinstance(array.content, bytes | bytearray):
        raise InputError(f"{path}: data holds no bytes", _HINT)
    rows, rest = divmod(len(array.content), _ROW_BYTES)
    if rest or array.shape != (rows, _ROW_BYTES):
        raise InputError(f"{path}: data has the shape {array.shape} and holds {len(array.content)} values", _HINT)
    values = np.frombuffer(array.content, np.uint8)
    return values.reshape((rows, _ROW_BYTES), order="F" if array.order == "F" else "C").reshape(-1, 3, 32, 32)


def _labels(labels: object, path: Path) -> Labels:
    if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
        raise InputError(f"{path}: labels is no list of whole numbers", _HINT)
    try:
        return np.array(labels, np.int64)
    except OverflowError as error:
        raise InputError(f"{path} has a label of more than 64 bits", _HINT) from error


def pickle_bytes(images: Images, labels: Labels) -> bytes:
    """One such file with these images (n, 3, 32, 32) and labels (n,)."""
    return pickle.dumps({b"data": images.reshape(len(images), -1), b"labels": labels.tolist()})
