"""Text in Markdown."""

from __future__ import annotations


def escaped(text: str) -> str:
    r"""Text that Markdown and a table leave as it is.

    >>> print(escaped("a_b | <c>"))
    a\_b \| &lt;c&gt;
    """
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in r"\`*_[]|#~" else letter for letter in plain)
