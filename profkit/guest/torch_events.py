"""What torch does in the program: calls of modules, backward passes, updates, batches.

Functions of torch are wrapped rather than hooked: a hook runs inside what it hooks, so that a step would end within the
profiler's row of its optimizer, and no hook can give a module a frame of its own. Code that torch.compile traces sees
the functions as they are.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import profiler
from torch.optim import Optimizer
from torch.utils.data import dataloader

from profkit.guest.module_paths import ModulePaths
from profkit.guest.session import Session, set_current

_depth = threading.local()


def listen(session: Session) -> None:
    """Tell a session of everything that torch does from now on."""
    set_current(session)
    optimizers = _listen_to_optimizers(session)
    _listen_to_modules(session, optimizers)
    for name in ("backward", "grad"):
        _wrap(torch.autograd, name, functools.partial(_in_phase, session, "phase/backward"))
    _wrap(dataloader._BaseDataLoaderIter, "__next__", functools.partial(_next_batch, session))
    _listen_to_profilers(session)


def _wrap(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, name)
    _replace(owner, name, functools.wraps(original)(make(original)))


def _replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def _in_phase(session: Session, phase: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """The function within a phase."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or not session.listening:
            return original(*args, **kwargs)
        return session.scopes.run(phase, original, *args, **kwargs)

    return call


def _next_batch(session: Session, original: Callable[..., Any]) -> Callable[..., Any]:
    """The next batch of a loader, within its phase."""
    in_phase = _in_phase(session, "phase/data", original)
    has_row = session.plan.tool.name == "torch"  # of its own for each batch

    def call(iterator: Any) -> Any:
        if session.untooled:
            if session.listening:
                session.observer.loads(iterator)
            return in_phase(iterator)
        return original(iterator) if has_row else in_phase(iterator)

    return call


def _listen_to_optimizers(session: Session) -> list[type]:
    """A step of the program ends with a step of the first optimizer that takes one; returns what is known of them."""
    made: list[type] = []
    first: list[int] = []
    known: set[int] = set()
    hook = Optimizer.profile_hook_step

    def profile_hook_step(function: Callable[..., Any]) -> Callable[..., Any]:
        inner = _in_phase(session, "phase/optimizer", hook(function))

        @functools.wraps(function)
        def step(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling() or not session.listening:
                return inner(optimizer, *args, **kwargs)
            session.begin()
            if id(optimizer) not in known:
                known.add(id(optimizer))
                session.observer.meet(optimizer)
            if session.untooled:
                update = functools.partial(inner, optimizer, *args, **kwargs)
                result, looked_ns = session.observer.update(optimizer, update)
                session.started_ns += looked_ns
            else:
                result = inner(optimizer, *args, **kwargs)
            first[:] = first or [id(optimizer)]
            if first == [id(optimizer)]:
                session.step()
            return result

        made.append(Optimizer)
        return step

    _replace(Optimizer, "profile_hook_step", staticmethod(profile_hook_step))
    _wrap(Optimizer, "zero_grad", functools.partial(_in_phase, session, "phase/optimizer"))
    return made


def _listen_to_modules(session: Session, optimizers: list[type]) -> None:
    """Layers are calls of modules; where nothing is optimized, a step begins with each call of the first network."""
    paths = ModulePaths()
    network: list[int] = []
    original = torch.nn.Module.__call__

    def call(module: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or not session.listening:
            return original(module, *args, **kwargs)
        if getattr(_depth, "value", 0):
            return session.scopes.run(paths.scope_of(module), original, module, *args, **kwargs)
        return outermost(module, *args, **kwargs)

    def outermost(module: Any, *args: Any, **kwargs: Any) -> Any:
        paths.add(module)
        if next(module.parameters(), None) is not None:
            started = session.report.counted or bool(network)
            network[:] = network or [id(module)]
            _before_first_step(session, module, args, kwargs)
            if not session.begin():
                return original(module, *args, **kwargs)
            if not optimizers and started and network == [id(module)]:
                session.step()
            _in_step(session, module, args, kwargs)
        scopes = session.scopes
        _depth.value = 1
        try:
            return scopes.run("phase/forward", scopes.run, paths.scope_of(module), original, module, *args, **kwargs)
        finally:
            _depth.value = 0
            if not optimizers and network == [id(module)]:
                session.called_ns = time.perf_counter_ns()

    _wrap(torch.nn.Module, "__call__", lambda _: call)


def _before_first_step(session: Session, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if not session.begun:
        session.observer.first_call(network, (*args, *kwargs.values()))


def _in_step(session: Session, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if session.untooled:
        session.observer.called(network, (*args, *kwargs.values()), session.started_ns)


def _listen_to_profilers(session: Session) -> None:
    """Make way for a profiler of the program's own."""

    def first(original: Callable[..., Any]) -> Callable[..., Any]:
        def prepare(own: Any) -> Any:
            if session.listening:
                session.give_way()
            return original(own)

        return prepare

    _wrap(profiler.profile, "_prepare_trace", first)
