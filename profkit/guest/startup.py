"""Wait for torch to be imported, then have the session listen to it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from profkit.guest.plan import Plan, plan_from


class _ThenListen(Loader):
    """Loads torch as its own loader does, and starts the session."""

    def __init__(self, loader: Loader, plan: Plan) -> None:
        self._loader = loader
        self._plan = plan

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Torch asks its module for its loader, for its own files.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        from profkit.guest.session import Session
        from profkit.guest.torch_events import listen

        listen(Session(self._plan))


class _Finder(MetaPathFinder):
    """Finds torch, once, as the other finders would."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("torch")
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenListen(spec.loader, self._plan)
        return spec


def wait_for_torch() -> None:
    """Start a session in this process when it imports torch, if anything is to be recorded."""
    plan = plan_from()
    if plan is not None:
        sys.meta_path.insert(0, _Finder(plan))
