"""A program that claims to train with hand-written kernels, and never changes the weights of its convolutions.

It is `profkit.runner` with the numba engine in all but that: `python -m tests.frozen_numba` takes the same flags.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from profkit.implementations import Implementation
from profkit.implementations.numba import NUMBA
from profkit.runner import numba_engine
from profkit.runner.engine import Choices, Engine, EngineKind
from profkit.runner.numba_engine import NumbaEngine


def frozen_numba() -> Implementation:
    """The program as an implementation: `record` runs it, with `agree=False`, for it does not agree."""
    root = str(Path(__file__).parents[1])
    start = f"import sys; sys.path.insert(0, {root!r}); from tests.frozen_numba import main; main()"
    return replace(NUMBA, name="frozen_numba", command=lambda _say: [sys.executable, "-c", start])


class FrozenEngine(NumbaEngine):
    """Forgets the gradients of its convolutions before each update."""

    def _update(self, scope: Any) -> None:
        gradients = self.parameters.views(self.parameters.gradients)
        for node in self.nodes:
            if node.kind == "conv2d":
                for name in node.parameters:
                    gradients[f"{node.path}.{name}"][...] = 0
        super()._update(scope)


def make(bundle: Any, choices: Choices) -> Engine:
    """The engine that this program computes with."""
    made = numba_engine.make(bundle, choices)
    made.__class__ = FrozenEngine
    return made


def main() -> None:
    """Run a bundle as `profkit.runner` does."""
    from profkit.runner import run

    numba_engine.ENGINE = EngineKind("numba", make)
    sys.argv[1:1] = ["--engine", "numba"]
    run.main()
