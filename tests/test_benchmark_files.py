"""What a benchmark keeps beside its numbers: checkpoints to go on from, and pictures that an autoencoder made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from profkit.benchmark import bench
from profkit.checkpoints import unfinished
from profkit.errors import UsageError
from profkit.implementations.pytorch import PYTORCH
from profkit.programs import Course
from profkit.sweep import Sweep, option_axes
from profkit.views.reconstructions import save_reconstructions
from profkit.workloads.conv_autoencoder import CONV_AUTOENCODER


def sweep(**changes: Any) -> Sweep:
    settings: dict[str, Any] = {
        "workloads": (CONV_AUTOENCODER,),
        "implementations": (PYTORCH,),
        "batch_sizes": (8,),
        "options": option_axes(["nf=4", "nz=8", "size=16"], {}),
        "subset": 32,
        "agree": False,
        **changes,
    }
    return Sweep(**settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of two epochs with checkpoints."""
    directory = tmp_path_factory.mktemp("bench") / "two"
    bench(sweep(epochs=2, checkpoint=True), directory, lambda _: None)
    return directory


def test_a_run_leaves_its_state_and_another_goes_on_from_it(finished: Path, tmp_path: Path) -> None:
    (checkpoint,) = (finished / "checkpoints").iterdir()
    assert torch.load(checkpoint, weights_only=True)["epoch"] == 2
    results = bench(sweep(epochs=3, resume=checkpoint), tmp_path / "three", lambda _: None)
    assert [epoch["epoch"] for epoch in results.runs[0].epochs] == [0, 1, 2]


def test_only_a_checkpoint_with_epochs_left_is_gone_on_from(finished: Path, tmp_path: Path) -> None:
    (checkpoint,) = (finished / "checkpoints").iterdir()
    assert unfinished(checkpoint, Course(epochs=3))
    assert not unfinished(checkpoint, Course(epochs=2))
    assert not unfinished(tmp_path / "absent.pt", Course(epochs=3))
    (tmp_path / "damaged.pt").write_bytes(checkpoint.read_bytes()[:100])
    assert not unfinished(tmp_path / "damaged.pt", Course(epochs=3))


def test_an_autoencoder_leaves_pictures_of_what_it_makes(finished: Path) -> None:
    (picture,) = save_reconstructions(finished / "reconstructions")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("changes", [{"checkpoint": True}, {"resume": Path("checkpoint.pt")}])
def test_there_is_nothing_to_go_on_with_in_inference(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--checkpoint and --resume with --mode infer"):
        bench(sweep(mode="infer", steps=1, **changes), tmp_path / "bench", lambda _: None)
