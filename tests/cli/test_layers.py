"""`profkit layers` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Profkit, complaint
from tests.small_networks import TWICE


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


def test_costs_of_alexnet_for_one_image_are_the_published_ones_in_eighty_columns(profkit: Profkit) -> None:
    done = profkit("layers", "alexnet", "--costs", "--batch-size", "1", "--infer")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    cells = [line.split() for line in lines]
    assert ["layer", "MFLOP", "MB", "byte"] in cells
    assert ["features.0", "140.55", "1.470", "95.63"] in cells
    assert ["features.3", "447.90", "1.976", "226.66"] in cells
    assert ["classifier.6", "8.19", "16.408", "0.50"] in cells
    assert "parameters: 61,100,840, 244.403 MB" in lines
    assert not any("not counted" in line for line in lines)


def test_costs_need_no_torch(profkit: Profkit, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('there is no torch here')\n")
    done = profkit("layers", "resnet18", "--costs")
    assert done.returncode == 0, done.stderr


def test_costs_as_json_add_up(profkit: Profkit) -> None:
    done = profkit("layers", "mnist_cnn", "--costs", "--batch-size", "2", "--macs", "--json")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["total"]["forward"]["macs"] == 2 * 240_544
    forward = [layer["forward"] for layer in body["layers"]]
    assert sum(each["flop"] for each in forward) == body["total"]["forward"]["flop"]
    assert body["total"]["step"]["traffic_bytes"] == sum(each["traffic_bytes"] for each in body["operators"])
    assert body["layers"][0]["backward"]["flop"] == body["layers"][0]["forward"]["flop"]  # of the weights alone
    assert body["uncosted"] == []


def test_costs_as_csv_have_a_row_an_operator(profkit: Profkit) -> None:
    done = profkit("layers", "mnist_cnn", "--costs", "--option", "optimizer=adam", "--csv", "--macs")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows[0]["operator"] == "aten::convolution"
    assert rows[0]["flop"] == str(2 * int(rows[0]["macs"]))
    updates = {row["operator"]: row["calls"] for row in rows if row["phase"] == "optimizer"}
    assert updates["aten::sqrt"] == "8"


@pytest.fixture
def network(tmp_path: Path) -> str:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "small.py").write_text(TWICE)
    return "nets.small:Twice"


def test_a_network_of_ones_own_costs_what_its_layers_cost(profkit: Profkit, network: str) -> None:
    done = profkit("layers", network, "--costs", "--input", "2x3x8x8", "--json", "--macs")
    assert done.returncode == 0, done.stderr
    assert "a greeting" in done.stderr
    body = json.loads(done.stdout)
    layers = {layer["layer"]: layer for layer in body["layers"]}
    assert list(layers) == ["one", "Twice", "two"]
    assert layers["one"]["forward"]["flop"] == layers["one"]["backward"]["flop"] == 2 * 2 * 4 * 64 * 27
    assert layers["two"]["forward"] == {
        "flop": 80,
        "traffic_bytes": 4 * (8 + 20 + 5 + 10),
        "intensity_flop_per_byte": 80 / 172,
        "macs": 40,
    }
    assert body["parameters"] == 4 * 27 + 4 + 20 + 5
    assert body["uncosted"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (("nets.small:Twice", "--input", "2x1x8x8"), 6, "failed in layer one: RuntimeError: ", "--input 1x3x224x224"),
        (("nets.small:Twicee",), 2, "unknown name in nets.small 'Twicee'", "did you mean Twice"),
        (("nets.small:Twice", "--batch-size", "3"), 2, "--batch-size says nothing of a network of your own", "hint"),
        (("nets.small:Twice", "--option", "a=3"), 2, "--option says nothing of a network of your own", "hint"),
        (("resnet18", "--input", "3"), 2, "--input says nothing of a network of profkit", "hint"),
        (("resnet18", "--macs"), 2, "--macs says nothing of a network without --costs", "hint"),
        (("resnet18", "--batch-size", "3"), 2, "--batch-size says nothing of a network without --costs", "--costs"),
        (("resnet18", "--costs", "--batch-size", "0"), 2, "--batch-size is 0", "1 or more"),
        (("resnet18", "--costs", "--csv", "--json"), 2, "exclude each other", "choose"),
        (("--costs",), 2, "--costs is of one network", "profkit layers resnet18 --costs"),
    ],
)
def test_costs_that_cannot_be_known_are_refused(
    profkit: Profkit, network: str, arguments: tuple[str, ...], code: int, message: str, hint: str
) -> None:
    said = complaint(profkit("layers", *arguments), code)
    assert message in said
    assert hint in said
