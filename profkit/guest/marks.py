"""What a program may say of itself: where its steps end, and what is to be recorded. Elsewhere it says nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from profkit.guest.session import current


def step() -> None:
    """A step ends here, and the next one begins: to be called once in each, like `torch.profiler.profile.step`.

    Where a program says so, its optimizers and networks are no longer asked.
    """
    session = current()
    if session is not None:
        session.step(marked=True)


def region() -> AbstractContextManager[None]:
    """Record this block and nothing else: `with profkit.region(): ...`."""
    session = current()
    return nullcontext() if session is None else session.region()
