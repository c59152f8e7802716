"""What the implementation numba says of itself, before any program is started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from profkit.implementations import Implementation
from profkit.registry import find
from profkit.spec import Layer, Network, Workload

NUMBA = find("profkit.implementations", Implementation, "numba")


@pytest.fixture
def network() -> Network:
    return find("profkit.workloads", Workload, "mnist_cnn").network({})


def test_it_runs_mnist_cnn_on_the_host(network: Network) -> None:
    assert NUMBA.why_not(network, "cpu") is None
    assert NUMBA.command(print)[1:] == ["-m", "profkit.runner", "--engine", "numba"]


def test_it_names_the_first_kind_that_it_lacks() -> None:
    network = Network((1, 2, 2), (Layer("a", "relu"), Layer("b", "lstm")), "cross_entropy", "sgd", {})
    assert NUMBA.why_not(network, "cpu") == "numba has no lstm"
    assert NUMBA.why_not(network, "cuda") == "numba has no lstm on cuda"


def test_it_runs_on_cuda_where_there_is_a_device_or_the_simulator(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numba import cuda

    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    assert NUMBA.why_not(network, "cuda") == (None if cuda.is_available() else "no CUDA device")
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert NUMBA.why_not(network, "cuda") is None
    assert NUMBA.why_not(network, "mps") == "numba does not run on mps"


def test_the_parent_process_imports_neither_numba_nor_torch() -> None:
    program = (
        "import sys, profkit.implementations.numba as module\n"
        "assert not {'torch', 'numba'} & sys.modules.keys(), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
