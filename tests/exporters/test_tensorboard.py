"""TensorBoard: a log directory with the names that the plugin looks for; the artefact itself stays as it is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from torch_tb_profiler.consts import WORKER_PATTERN

from profkit.artefact import sha256
from profkit.columns import to_integers
from profkit.export import material, write
from profkit.exporters import Exporter, Material
from profkit.exporters.tensorboard import TENSORBOARD
from profkit.importers.kineto import KINETO
from tests.exporters.conftest import TRACES


def written(what: Material, directory: Path) -> Path:
    exporter: Exporter = TENSORBOARD
    write(exporter, what, directory / "logs")
    (file,) = (directory / "logs").iterdir()
    return file


def test_the_plugin_takes_the_name(recorded: Material, tmp_path: Path) -> None:
    file = written(recorded, tmp_path)
    assert re.search(WORKER_PATTERN, file.name)


@pytest.mark.parametrize("language", ["pytorch", "libtorch"])
def test_a_trace_of_torch_is_put_there_as_it_is(language: str, tmp_path: Path) -> None:
    artefact = TRACES / language / "torch" / "trace.json.gz"
    before = sha256(artefact)
    assert sha256(written(material(artefact.parent), tmp_path)) == before == sha256(artefact)


@pytest.mark.parametrize("language", ["pytorch", "libtorch"])
def test_of_another_recording_a_trace_is_made_that_reads_as_one_of_torch(language: str, tmp_path: Path) -> None:
    what = material(TRACES / language / "callgrind")
    read = KINETO.load(written(what, tmp_path)).records
    assert to_integers(read["self_ns"]).sum() == what.profile.cost().sum()
    steps = [name for name in read["symbol"].to_pylist() if name.startswith("ProfilerStep#")]
    assert {"ProfilerStep#0", "ProfilerStep#1"} == set(steps)
    assert np.count_nonzero([kind == "operator" for kind in read["kind"].to_pylist()]) > 1000
