"""What functions of torch itself are for, in Python and in C++: their phase, and the operator that they are the way to.

Samplers see functions, not operators. Where a program marks neither phase nor layer, the functions of torch that every
training step goes through still tell forward, backward, optimizer and loading apart.
"""

from __future__ import annotations

import re

from profkit.aten_names import NAMES

_FUNCTIONAL = re.compile(r"(?:^|/)torch/nn/functional\.py\Z")
_MODULES = re.compile(r"(?:^|/)torch/nn/modules/(\w+)\.py\Z")
_OPTIMIZERS = re.compile(r"(?:^|/)torch/optim/\w+\.py\Z")
_AUTOGRAD = re.compile(r"(?:^|/)torch/(?:_tensor|autograd/(?:__init__|graph|function))\.py\Z")
_LOADERS = re.compile(r"(?:^|/)torch/utils/data/(?:dataloader|_utils/\w+)\.py\Z")

_UNLIKE_NAMES = {"cross_entropy": "cross_entropy_loss"}
"""Functions of torch.nn.functional whose operator has another name."""
_METHODS = {
    "Linear.forward": "linear", "Bilinear.forward": "bilinear", "Flatten.forward": "flatten", "LSTM.forward": "lstm",
    "GRU.forward": "gru", "ReLU.forward": "relu", "Conv1d._conv_forward": "conv1d", "Conv2d._conv_forward": "conv2d",
    "Conv3d._conv_forward": "conv3d", "ConvTranspose1d.forward": "conv_transpose1d",
    "ConvTranspose2d.forward": "conv_transpose2d", "ConvTranspose3d.forward": "conv_transpose3d",
}  # fmt: skip
"""Methods of torch.nn.modules that call an operator of C++ without a Python function between."""

_BACKWARD_FUNCTIONS = frozenset({"backward", "grad", "_engine_run_backward", "apply"})
_UPDATES = frozenset({"step", "zero_grad", "wrapper", "_use_grad"})
_LOADING = frozenset({
    "__next__", "__iter__", "_next_data", "_next_index", "_get_data", "_try_get_data", "_process_data", "fetch",
    "default_collate", "collate", "pin_memory", "_worker_loop", "_pin_memory_loop", "do_one_step",
})  # fmt: skip
_CALLS = frozenset({"_wrapped_call_impl", "_call_impl", "_slow_forward"})
_RUNS_UPDATE = re.compile(r"(?:_single_tensor|_multi_tensor|_fused)_\w+")

_NATIVE_PHASES = (
    ("backward", re.compile(
        r"THPEngine_run_backward\b|torch::autograd::(?:python::Python)?Engine::(?:execute|thread_main|evaluate_function)"
        r"|torch::autograd::(?:backward|grad)\b|(?:torch|at)::Tensor::_?backward\b"
        r"|torch::autograd::(?:\w+::)*\w+Backward\d*::apply\b|torch::autograd::Node::operator ?\(\)"
    )),
    ("optimizer", re.compile(r"torch::optim::\w+::(?:step|zero_grad)\b")),
    ("data", re.compile(r"torch::data::\w*(?:DataLoader|datasets|Iterator|samplers)")),
)  # fmt: skip

_LAST = r"(?:[^.]*\.)*(?:<locals>\.)?"
CANDIDATES = re.compile(
    rf"{_LAST}(?:{'|'.join(sorted(_BACKWARD_FUNCTIONS | _UPDATES | _LOADING))})"
    r"|THPEngine_run_backward.*|(?:torch|at)::(?:autograd|optim|data|Tensor)\b.*",
    re.DOTALL,
)
"""Symbols that may open a phase; only of these need the file be looked at."""
CALLS = re.compile(rf"{_LAST}(?:{'|'.join(sorted(_CALLS))})")
"""Symbols that may be the call of a module."""


def function_name(symbol: str) -> str:
    """The last part of a qualified Python name.

    >>> function_name("Optimizer.profile_hook_step.<locals>.wrapper")
    'wrapper'
    """
    return symbol.rpartition(".")[2]


def phase_of_python(symbol: str, file: str) -> str | None:
    """The phase that begins with a Python function of torch, or None.

    >>> phase_of_python("Tensor.backward", "/venv/lib/python3.11/site-packages/torch/_tensor.py")
    'backward'
    >>> phase_of_python("SGD.step", "torch/optim/sgd.py"), phase_of_python("Engine.step", "game/engine.py")
    ('optimizer', None)
    """
    name = function_name(symbol)
    if name in _BACKWARD_FUNCTIONS and _AUTOGRAD.search(file):
        return "backward" if name != "apply" or symbol.startswith("BackwardCFunction.") else None
    if name in _UPDATES and _OPTIMIZERS.search(file):
        return "optimizer"
    return "data" if name in _LOADING and _LOADERS.search(file) else None


def phase_of_native(symbol: str) -> str | None:
    """The phase that begins with a native function of torch, or None.

    >>> phase_of_native("torch::autograd::generated::ConvolutionBackward0::apply")
    'backward'
    >>> phase_of_native("torch::autograd::THPVariable_conv2d")
    """
    return next((phase for phase, pattern in _NATIVE_PHASES if pattern.match(symbol)), None)


def calls_module(symbol: str, file: str) -> bool:
    """Whether this is the function of torch that calls the `forward` of every module."""
    match = _MODULES.search(file)
    return match is not None and match[1] == "module" and function_name(symbol) in _CALLS


def operator_of_python(symbol: str, file: str) -> str | None:
    """The operator that a Python function of torch is the way to, or None.

    Functions of torch.nn.functional are named like their operators, most of them; what is dispatched in Python by an
    argument has an underscore before.

    >>> operator_of_python("_max_pool2d", "torch/nn/functional.py")
    'aten::max_pool2d'
    >>> operator_of_python("Conv2d._conv_forward", "torch/nn/modules/conv.py")
    'aten::conv2d'
    >>> operator_of_python("relu", "mine/functional.py")
    """
    if _FUNCTIONAL.search(file):
        name = symbol if symbol in NAMES else symbol.removeprefix("_")
        name = _UNLIKE_NAMES.get(name, name)
    elif _MODULES.search(file):
        name = _METHODS.get(symbol, "")
    else:
        return None
    return f"aten::{name}" if name in NAMES else None


def runs_native_code(symbol: str, file: str) -> bool:
    """Whether most of the time in this Python function itself is that of the C++ it calls, as far as is known.

    >>> runs_native_code("_engine_run_backward", "torch/autograd/graph.py")
    True
    """
    name = function_name(symbol)
    if _AUTOGRAD.search(file):
        return name == "_engine_run_backward"
    if _OPTIMIZERS.search(file):
        return _RUNS_UPDATE.fullmatch(name) is not None
    return operator_of_python(symbol, file) is not None
