"""Numba's kernels for CUDA compute what PyTorch computes, under Numba's simulator, which needs no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST = "from tests.runner.test_numba_cpu import *\nchoices = Choices(device='cuda')\n"


def run(program: str, simulator: str) -> str:
    """Run a program in a process of its own: the simulator is chosen when Numba is first imported."""
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": simulator, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", FIRST + program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def simulate(program: str) -> None:
    """Run a program with the simulator in place of CUDA."""
    run(program, simulator="1")


def test_every_layer_of_a_tiny_mnist_cnn_trains_as_in_pytorch() -> None:
    simulate(
        "ours, _ = train_both(mnist_cnn(filters1=1, filters2=2, hidden=4), [2, 2, 1], choices)\n"
        "assert ours.memory().allocated_bytes > 0\n"
        "assert ours.describe().compile_ns is None\n"
    )


def test_each_kind_trains_as_in_pytorch() -> None:
    simulate("for layer in KINDS.values(): train_both(classifier((2, 7, 8), layer), [2, 1], choices)\n")


def test_autoencoders_and_shared_outputs_train_as_in_pytorch() -> None:
    simulate(
        "for loss in ('l1', 'l2'): train_both(autoencoder(loss), [2, 2], choices)\n"
        "train_both(shared_outputs(), [2, 1], choices)\n"
    )


def test_dropout_from_masks_trains_as_in_pytorch() -> None:
    simulate(
        "masks = {'drop': (torch.rand(3, 2, 2, 3, 3) < 0.5).to(torch.uint8)}\n"
        "network = classifier((2, 3, 3), Layer('drop', 'dropout', {'p': 0.5}))\n"
        "train_both(network, [2, 2, 1], Choices(device='cuda', masks=True), masks)\n"
    )


def test_losses_outlast_the_steps_and_the_lists_are_right() -> None:
    simulate(
        "from profkit.runner import numba_cuda\n"
        "network = shared_outputs()\n"
        "engine = ENGINE.make(bundle_of(network, 2), choices)\n"
        "inputs = engine.to_device(torch.ones(2, 2, 5, 6))\n"
        "labels = engine.to_device(torch.zeros(2, dtype=torch.int64))\n"
        "losses = [engine.train_step(inputs, labels, NO_SCOPES).loss for _ in range(2)]\n"
        "assert float(losses[0]) > float(losses[1]) > 0\n"
        "assert numba_cuda.KERNELS.keys() == numba_support.KINDS['cuda']\n"
        "assert numba_cuda.LOSSES.keys() == numba_support.LOSSES\n"
        "assert numba_cuda.OPTIMIZERS.keys() == numba_support.OPTIMIZERS\n"
    )


@pytest.mark.parametrize("flag", ["flush_denormals", "cudnn_benchmark"])
def test_choices_that_numba_lacks_are_named(flag: str) -> None:
    simulate(
        f"with pytest.raises(UnsupportedError, match='numba has no {flag}'):\n"
        f"    ENGINE.make(bundle_of(mnist_cnn(), 2), Choices(device='cuda', {flag}=True))\n"
    )


LOWER = """
from types import SimpleNamespace
import numpy as np
from numba import cuda, typeof, types
from numba.cuda import dispatcher
from numba.cuda.compiler import compile_cuda

class HostArray(np.ndarray):
    def copy_to_device(self, source): self[...] = source
    def copy_to_host(self): return np.array(self)

def on_host(array): return np.array(array).view(HostArray)

class Lowered:
    def __init__(self, function): self.function, self.seen = function, set()
    def __getitem__(self, grid): return self
    def __call__(self, *arguments):
        found = tuple(typeof(np.asarray(value) if isinstance(value, np.ndarray) else value) for value in arguments)
        if found not in self.seen:
            self.seen.add(found)
            code = compile_cuda(self.function, types.void, found, cc=(8, 0)).library.get_llvm_str()
            assert "double" not in code, self.function
            names.add(self.function.__module__ + self.function.__qualname__)

compiler = cuda.jit

def jit(function=None, device=False):
    return compiler(device=True) if device else Lowered(function)

names = set()
dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=(8, 0))
cuda.jit, cuda.is_available, cuda.synchronize = jit, lambda: True, lambda: None
cuda.device_array, cuda.to_device = lambda shape, dtype: on_host(np.zeros(shape, dtype)), on_host
from profkit.runner import numba_cuda
from profkit.runner.numba_cuda import launch
numba_cuda.SIMULATED = True
networks = [classifier((2, 7, 8), layer) for layer in KINDS.values()]
networks += [autoencoder("l1"), autoencoder("l2"), shared_outputs(), classifier((2, 3, 3), momentum=0.0)]
networks += [classifier((2, 3, 3), Layer("drop", "dropout", {"p": 0.5}))]
for network in networks:
    engine = ENGINE.make(bundle_of(network, 2), choices)
    labels = torch.zeros(2, dtype=torch.int64)
    train_step(engine, network, torch.zeros(2, *network.input_shape), labels)
    engine.infer_step(engine.to_device(torch.zeros(2, *network.input_shape)), NO_SCOPES)
print(len(names))
"""


def test_every_kernel_can_be_compiled_for_a_gpu_and_computes_in_float32() -> None:
    """The simulator knows no types: here Numba's own compiler for CUDA infers them and writes LLVM code."""
    kernels = sum(file.read_text().count("@kernel\n") for file in (ROOT / "profkit/runner/numba_cuda").glob("*.py"))
    assert int(run(LOWER, simulator="0")) == kernels
