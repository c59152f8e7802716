"""`profkit agree` as a user runs it."""

from __future__ import annotations

import json

import pytest
import torch

from profkit.agree import MOST_STEPS
from tests.cli.conftest import Profkit, complaint

TINY = ("--option", "filters1=2", "--option", "filters2=3", "--option", "hidden=8", "--batch-size", "4")
NO_APPLE_GPU = pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")


@NO_APPLE_GPU
def test_it_prints_what_agrees_and_what_is_unsupported_and_goes_well(profkit: Profkit) -> None:
    done = profkit("agree", "--impl", "pytorch", "--device", "cpu,mps", *TINY)
    assert done.returncode == 0, done.stderr
    words = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert words[1] == "mnist_cnn"
    assert words[2].startswith("pytorch, pytorch 0 0 0 0 ")
    assert words[2].endswith(" agrees")
    assert "pytorch:mps is unsupported: no Apple GPU (mps)" in words
    assert max(map(len, done.stdout.splitlines())) <= 80


@NO_APPLE_GPU
def test_json_has_every_difference(profkit: Profkit) -> None:
    done = profkit("agree", "--impl", "pytorch", "--device", "cpu,mps", *TINY, "--json")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["mnist_cnn"]["unsupported"] == {"pytorch:mps": "no Apple GPU (mps)"}
    found = body["mnist_cnn"]["agreements"]["pytorch, pytorch"]
    assert (found["agrees"], found["steps"], found["loss"], found["weight"]) == (True, MOST_STEPS, 0, 0)
    assert 0 < found["exact"] < 1e-6


def test_numba_agrees_with_the_reference(profkit: Profkit) -> None:
    done = profkit("agree", "--impl", "numba,pytorch", "--device", "cpu", *TINY, "--json")
    assert done.returncode == 0, done.stderr
    agreements = json.loads(done.stdout)["mnist_cnn"]["agreements"]
    assert list(agreements) == ["pytorch, numba"]
    assert agreements["pytorch, numba"]["agrees"]


@NO_APPLE_GPU
def test_where_a_device_is_missing_the_reason_is_said_and_nothing_is_compared(profkit: Profkit) -> None:
    done = profkit("agree", "--impl", "pytorch", "--device", "mps", "--json")
    assert json.loads(done.stdout) == {
        "mnist_cnn": {"agreements": {}, "unsupported": {"pytorch:mps": "no Apple GPU (mps)"}}
    }


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--workload", "mnist_cn"), "unknown workload 'mnist_cn'", "did you mean mnist_cnn"),
        (("--workload", "convnet,restnet18"), "unknown workload 'restnet18'", "did you mean resnet18"),
        (("--impl", "numbra"), "unknown implementation 'numbra'", "did you mean numba"),
        (("--impl", "numba", "--device", "mps"), "unknown device 'mps'", "known: cpu, cuda"),
        (("--impl", "libtorch", "--device", "gpu"), "unknown device 'gpu'", "did you mean cpu"),
        (("--device", ""), "unknown device ''", "known: cpu, cuda, mps"),
        (("--option", "filters1=many"), "option filters1 is 'many'", "it is a whole number"),
        (("--option", "filter1=3"), "unknown option of mnist_cnn 'filter1'", "did you mean filters1"),
        (("--option", "kernel_size=15"), "layer conv2 gets an input of 8x7x7", "smaller kernel"),
        (("--option", "kernel_size=29"), "layer conv1 gets an input of 1x28x28", "smaller kernel"),
        (("--batch-size", "0"), "--batch-size is 0", "1 or more"),
        (("--seed", "-1"), "--seed is -1", "0 or more"),
        (("--batch-size", "8", "--subset", "4"), "4", "hint: "),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    profkit: Profkit, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    said = complaint(profkit("agree", *arguments), 2)
    assert message in said
    assert hint in said
    assert "checking" not in said


def test_data_that_is_not_there_is_named(profkit: Profkit) -> None:
    assert "cannot read the directory nowhere" in complaint(
        profkit("agree", "--impl", "pytorch", "--data", "nowhere"), 3
    )
