"""Imported by every Python that starts below `profkit record`: waits for torch, then makes way for the user's own."""

import importlib.util
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _make_way() -> None:
    """Import the sitecustomize that this one hides, if there is any."""
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != _HERE]
    spec = importlib.util.find_spec("sitecustomize")
    hidden = sys.modules.pop(__name__, None)
    if spec is not None and spec.origin and Path(spec.origin).resolve().parent == _HERE:
        spec = importlib.machinery.PathFinder.find_spec("sitecustomize")
    if spec is None or spec.loader is None:
        if hidden is not None:
            sys.modules[__name__] = hidden
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _start() -> None:
    """Take profkit from where this file lies, wherever the program's own packages are."""
    package = _HERE.parent.parent
    if importlib.util.find_spec("profkit") is None:
        spec = importlib.util.spec_from_file_location(
            "profkit", package / "__init__.py", submodule_search_locations=[str(package)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["profkit"] = module
        spec.loader.exec_module(module)
    from profkit.guest.startup import wait_for_torch

    wait_for_torch()


_start()
_make_way()
