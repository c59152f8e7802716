"""What the Numba engines can do, told without importing Numba: the parent process asks before it starts one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

KINDS: Mapping[str, frozenset[str]] = {
    device: frozenset(
        {
            "adaptive_avg_pool2d",
            "add",
            "avg_pool2d",
            "batch_norm2d",
            "conv2d",
            "conv_transpose2d",
            "dropout",
            "flatten",
            "linear",
            "max_pool2d",
            "relu",
            "tanh",
            "zero_pad2d",
        }
    )
    for device in ("cpu", "cuda")
}
"""Kinds of layer by device."""

LOSSES = frozenset({"cross_entropy", "l1", "l2"})
OPTIMIZERS = frozenset({"adam", "sgd"})


def lack(device: str, kinds: Iterable[str], loss: str, optimizer: str) -> str | None:
    """The first thing of a network that a device's engine does not have, in words; None where it has all.

    >>> lack("cpu", ("conv2d", "relu"), "hinge", "sgd")
    'numba has no hinge'
    """
    if device not in KINDS:
        return f"numba does not run on {device}"
    wanted = [(kind, KINDS[device]) for kind in kinds] + [(loss, LOSSES), (optimizer, OPTIMIZERS)]
    where = "" if device == "cpu" else f" on {device}"
    return next((f"numba has no {name}{where}" for name, known in wanted if name not in known), None)
