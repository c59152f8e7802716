"""Repair the text of single malformed trace events: what writers of traces got wrong, seen in the wild."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar, get_args

import msgspec

E = TypeVar("E", bound=msgspec.Struct)

Malformed = (msgspec.DecodeError, UnicodeDecodeError)

_STRING_LINE = re.compile(rb'^(\s*"[^"\n]+": ")(.*)("\s*,?\s*)$', re.MULTILINE)


def _escape_line(match: re.Match[bytes]) -> bytes:
    inside = re.sub(rb'\\*"', b'\\"', match[2].replace(b"\\\\", b"\\"))
    inside = re.sub(rb'\\(?!")', rb"\\\\", inside)
    return match[1] + inside + match[3]


def _keep_or_double(match: re.Match[bytes]) -> bytes:
    return match[1] or rb"\\"


def _keep_pair(match: re.Match[bytes]) -> bytes:
    return match[1] or rb"\ufffd"


def _replacing(pattern: bytes, by: bytes | Callable[[re.Match[bytes]], bytes]) -> Callable[[bytes], bytes]:
    return partial(re.compile(pattern).sub, by)


def _insert_commas(text: bytes) -> bytes:
    return re.sub(rb'(["\d\]}el])(\s*\n\s*["{])', rb"\1,\2", re.sub(rb"\}\s*\{", b"},{", text))


_STEPS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("bytes that are not UTF-8 replaced", lambda text: text.decode("utf-8", "replace").encode()),
    ("raw control characters replaced by spaces", _replacing(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", b" ")),
    (
        "lone surrogates replaced",
        _replacing(rb"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..", _keep_pair),
    ),
    ("single backslashes doubled", _replacing(rb'(\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})|\\', _keep_or_double)),
    ("NaN or Infinity taken as absent", _replacing(rb"([:\[,]\s*)-?(?:NaN|nan|Infinity|inf)\b", rb"\1null")),
    ("superfluous commas removed", _replacing(rb",(\s*[}\]])", rb"\1")),
    ("missing commas inserted", _insert_commas),
    ("quotes inside strings escaped", partial(_STRING_LINE.sub, _escape_line)),
    ("line breaks inside strings replaced by spaces", _replacing(rb"[\r\n\t]", b" ")),
)


def repairs(text: bytes) -> Iterator[tuple[str, bytes]]:
    """The text as it is, then with one repair more each time.

    Yields:
        What has been done so far (empty at first), and the text.
    """
    done: list[str] = []
    yield "", text
    # Line breaks are white space between values, so that replacing them alone is worth a try before the rest.
    for steps in ((_STEPS[-1],), _STEPS):
        repaired, done = text, []
        for what, step in steps:
            changed = step(repaired)
            if changed != repaired:
                repaired = changed
                done.append(what)
                yield ", ".join(done), repaired


def decode_loosely(text: bytes, kind: type[E]) -> list[E]:
    """Decode a list of structs, leaving out the fields whose values have another type.

    Raises:
        msgspec.DecodeError: not a list of objects, or a required field is left out.
    """
    return [_loosely(fields, kind) for fields in msgspec.json.decode(text, type=list[dict[str, msgspec.Raw]])]


def _loosely(values: dict[str, msgspec.Raw], kind: type[E]) -> E:
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in values:
            continue
        nested = next((part for part in (field.type, *get_args(field.type)) if _is_struct(part)), None)
        try:
            if nested is not None:
                inner = msgspec.json.decode(values[field.encode_name], type=dict[str, msgspec.Raw] | None)
                found[field.name] = None if inner is None else _loosely(inner, nested)
            else:
                found[field.name] = msgspec.json.decode(values[field.encode_name], type=field.type, strict=False)
        except msgspec.DecodeError:
            continue
    return kind(**found)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
