"""`profkit schema`."""

from __future__ import annotations

EXAMPLES = ("profkit schema > profile.schema.json",)


def command() -> None:
    """Print the JSON Schema of a profile file."""
    from profkit.profile import json_schema
    from profkit.views.output import print_json

    print_json(json_schema())
