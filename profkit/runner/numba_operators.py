"""What PyTorch calls the work of each kind of layer and of each loss: the names under which every device does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from profkit.runner.numba_kernels import LayerKernels, Operator, Run


@dataclass(frozen=True)
class Names:
    """Operators in the order in which they run.

    Attributes:
        forward: in training, and in evaluation where `evaluate` is empty.
        backward: of the derivative.
        evaluate: in evaluation mode where that differs.
    """

    forward: tuple[str, ...]
    backward: tuple[str, ...]
    evaluate: tuple[str, ...] = ()


NAMES: Mapping[str, Names] = {
    "adaptive_avg_pool2d": Names(("aten::_adaptive_avg_pool2d",), ("aten::_adaptive_avg_pool2d_backward",)),
    "add": Names(("aten::add",), ("aten::copy_",)),
    "avg_pool2d": Names(("aten::avg_pool2d",), ("aten::avg_pool2d_backward",)),
    "batch_norm2d": Names(
        ("aten::native_batch_norm",), ("aten::native_batch_norm_backward",), ("aten::native_batch_norm",)
    ),
    "conv2d": Names(("aten::convolution",), ("aten::convolution_backward",)),
    "conv_transpose2d": Names(("aten::convolution",), ("aten::convolution_backward",)),
    "dropout": Names(("aten::native_dropout",), ("aten::native_dropout_backward",), ("aten::dropout",)),
    "linear": Names(("aten::addmm",), ("aten::mm", "aten::mm", "aten::sum")),
    "max_pool2d": Names(("aten::max_pool2d_with_indices",), ("aten::max_pool2d_with_indices_backward",)),
    "relu": Names(("aten::relu",), ("aten::threshold_backward",)),
    "tanh": Names(("aten::tanh",), ("aten::tanh_backward",)),
    "zero_pad2d": Names(("aten::constant_pad_nd",), ("aten::constant_pad_nd",)),
    # losses
    "cross_entropy": Names(
        ("aten::_log_softmax", "aten::nll_loss_forward"),
        ("aten::nll_loss_backward", "aten::_log_softmax_backward_data"),
    ),
    "l1": Names(("aten::l1_loss",), ("aten::sgn",)),
    "l2": Names(("aten::mse_loss",), ("aten::mse_loss_backward",)),
}
"""By kind of layer, or loss."""

FLATTEN = {"flatten": LayerKernels(view=True)}
"""The kind of layer that no device has any work with."""


def kernels(kind: str, forward: tuple[Run, ...], backward: tuple[Run, ...], *evaluate: Run) -> dict[str, LayerKernels]:
    """The operators of a kind of layer, or of a loss, by its name.

    Args:
        kind: one of `NAMES`.
        forward: what the device does for each of its names, in their order.
        backward: the same for the derivative.
        evaluate: the same in evaluation mode, where that differs.
    """
    names = NAMES[kind]
    return {
        kind: LayerKernels(
            _operators(names.forward, forward),
            _operators(names.backward, backward),
            _operators(names.evaluate, evaluate) or None,
        )
    }


def _operators(names: tuple[str, ...], runs: tuple[Run, ...]) -> tuple[Operator, ...]:
    return tuple(Operator(name, run) for name, run in zip(names, runs, strict=True))
