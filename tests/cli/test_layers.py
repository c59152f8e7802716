"""`profkit layers` as a user runs it."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Profkit, complaint


def test_without_a_name_it_lists_every_workload_in_eighty_columns(profkit: Profkit) -> None:
    done = profkit("layers")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("workload")
    assert all(f"\n{name} " in done.stdout for name in ("alexnet", "conv_autoencoder", "convnet", "mnist_cnn"))
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert next(iter(json.loads(profkit("layers", "--json").stdout))) == "alexnet"


def test_it_prints_every_layer_and_the_totals(profkit: Profkit) -> None:
    done = profkit("layers", "resnet18")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["layer1.0.conv1", "conv2d", "k3", "p1", "64x32x32", "36,864", "37,748,736"] in lines
    assert ["total", "11,173,962", "555,422,720"] in lines
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_json_counts_what_the_options_make(profkit: Profkit) -> None:
    done = profkit("layers", "mnist_cnn", "--option", "filters1=2", "--option", "hidden=8", "--json")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["options"] == {"filters1": 2, "filters2": 16, "hidden": 8, "kernel_size": 3}
    parameters = {layer["path"]: layer["parameters"] for layer in body["layers"] if layer["parameters"]}
    assert parameters == {"conv1": 20, "conv2": 304, "linear1": 3208, "linear2": 90}
    assert body["parameters"] == sum(parameters.values())
    assert [layer["macs"] for layer in body["layers"] if layer["macs"]] == [12_168, 34_848, 3200, 80]
    assert body["macs"] == 12_168 + 34_848 + 3200 + 80
    assert body["layers"][0]["output_shape"] == [2, 26, 26]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("resnet8",), "unknown workload 'resnet8'", "did you mean resnet18"),
        (("resnet18", "--option", "layer=3"), "unknown option of resnet18 'layer'", "hint: "),
        (("convnet", "--option", "layers=three"), "option layers is 'three'", "it is a whole number"),
        (("convnet", "--option", "layers=7"), "option layers is 7", "it is one of 3, 4, 5, 6"),
        (("mnist_cnn", "--option", "filters1=0"), "option filters1 is 0", "it is a number from 1"),
        (("mnist_cnn", "--option", "lr=fast"), "option lr is 'fast'", "it is a number"),
        (("mnist_cnn", "--option", "kernel_size"), "--option 'kernel_size' is not name=value", "filters1=16"),
        (("mnist_cnn", "--option", "kernel_size=15"), "layer conv2 gets an input of 8x7x7", "smaller kernel"),
        (("mnist_cnn", "--option", "kernel_size=29"), "layer conv1 gets an input of 1x28x28", "smaller kernel"),
        (("mnist_cnn", "--option", "loss=l1"), "loss l1 does not go with targets that are labels", "cross_entropy"),
        (("conv_autoencoder", "--option", "beta1=1", "--option", "optimizer=sgd"), "'beta1'", "momentum"),
    ],
)
def test_what_no_network_can_have_is_refused(
    profkit: Profkit, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    said = complaint(profkit("layers", *arguments), 2)
    assert message in said
    assert hint in said
