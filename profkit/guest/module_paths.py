"""Paths of modules: `layer1.0.conv1`, from the module that was called from outside, as `named_modules` gives them."""

from __future__ import annotations

import weakref
from typing import Any


class ModulePaths:
    """Scopes of the modules of every network that was called, made once for each.

    The network itself, and a module that belongs to none, go by their class. Where a program has several networks with
    weights, the paths of all but the first begin with their class.
    """

    def __init__(self) -> None:
        # By identity: a module need not be hashable. The reference tells whether it is still the same one.
        self._scopes: dict[int, tuple[weakref.ref[Any], str]] = {}
        self._networks = 0

    def add(self, root: Any) -> None:
        """Learn the paths of a network, unless they are known."""
        if self._known(root):
            return
        name = type(root).__name__
        has_weights = next(root.parameters(), None) is not None
        prefix = f"{name}." if has_weights and self._networks else ""
        self._networks += has_weights
        for path, module in root.named_modules():
            plain = path.replace("_orig_mod.", "").removesuffix("_orig_mod")  # of torch.compile
            if not self._known(module):
                self._scopes[id(module)] = weakref.ref(module), f"layer/{prefix}{plain}" if plain else f"layer/{name}"

    def scope_of(self, module: Any) -> str:
        """The scope of a module."""
        if known := self._known(module):
            return known
        scope = f"layer/{type(module).__name__}"
        self._scopes[id(module)] = weakref.ref(module), scope
        return scope

    def _known(self, module: Any) -> str | None:
        entry = self._scopes.get(id(module))
        return entry[1] if entry and entry[0]() is module else None
