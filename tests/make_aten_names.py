"""Write `profkit/aten_names.py`, the names of all ATen operators, from the schemas of the installed torch.

    python tests/make_aten_names.py

`tests/test_symbols.py` holds the file to the installed torch; run this after an upgrade that fails there.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import torch

_TARGET = Path(__file__).parents[1] / "profkit" / "aten_names.py"
_TEMPLATE = '''"""Names of the ATen operators, without overloads; made by `tests/make_aten_names.py`, not by hand."""

TORCH_VERSION = "{version}"

_TEXT = """
{names}
"""

NAMES = frozenset(_TEXT.split())
'''


def source() -> str:
    """The text of the module for the installed torch."""
    schemas = torch._C._jit_get_all_schemas()
    names = sorted({schema.name.removeprefix("aten::") for schema in schemas if schema.name.startswith("aten::")})
    lines = textwrap.fill(" ".join(names), 116, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    return _TEMPLATE.format(version=torch.__version__.split("+")[0], names=lines)


if __name__ == "__main__":
    _TARGET.write_text(source())
