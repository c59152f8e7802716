"""A run is made again as it was, or there is a word about why it cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from profkit.bundle import Bundle
from profkit.errors import InputError
from profkit.evidence import Evidence
from profkit.machine import this_machine
from profkit.repeatable import require_same_place, require_same_settings, require_same_work, trial_of
from tests.what_if.recorded import run_of, trial


def test_a_run_comes_back_with_its_work_and_its_course() -> None:
    settings = {"flush_denormals": "true", "workers": "2", "subset": "64", "data": "synthetic", "weights": "drawn"}
    again = trial("libtorch", settings=settings, options={"filters1": 4}, seed=3, threads=2, build={"type": "Debug"})
    task, course = again.task, again.course
    assert (task.workload.name, task.batch_size, task.seed, task.subset) == ("mnist_cnn", 8, 3, 64)
    assert (task.data, task.weights, dict(task.options)) == (None, None, {"filters1": 4})
    assert (course.threads, course.warmup, course.steps) == (2, 2, 20)
    assert (course.workers, course.flush_denormals, again.build) == (2, True, "debug")


def test_steps_are_those_of_one_process() -> None:
    assert trial(step_ns=(1000,) * 12, evidence=Evidence(processes=("1", "2", "3"))).course.steps == 4 + 1  # the fewest
    assert trial(step_ns=(1000,) * 60, evidence=Evidence(processes=("1", "2", "3"))).course.steps == 20
    assert trial(step_ns=(10**9,) * 40).course.steps == 5


def test_variables_come_back_and_other_settings_are_none() -> None:
    environment = trial(settings={"OMP_PLACES": "cores", "onednn": "true"}).environment
    assert environment == {"OMP_PLACES": "cores"}


def test_a_run_that_used_less_than_the_machine_has_is_held_to_it() -> None:
    assert trial(settings={"cpu_capability": "AVX2"}).environment["ATEN_CPU_CAPABILITY"] == "avx2"
    assert "ATEN_CPU_CAPABILITY" not in trial(settings={"cpu_capability": "AVX512"}).environment


@pytest.mark.parametrize("missing", ["workload", "implementation", "batch_size"])
def test_another_program_is_refused(missing: str) -> None:
    run = replace(run_of(command=("train.py", "--fast")), **{missing: None})
    with pytest.raises(InputError, match=r"B is not a run of one of profkit's own networks \(train.py --fast\)"):
        trial_of(run, "B")


@pytest.mark.parametrize(("setting", "value", "option"), [("data", "files", "data"), ("weights", "w.pt", "weights")])
def test_files_of_the_run_must_be_given_again(setting: str, value: str, option: str, tmp_path: Path) -> None:
    run = run_of(settings={setting: value})
    with pytest.raises(InputError, match="no run says where they lie") as caught:
        trial_of(run, "A")
    assert caught.value.hint == f"give --{option}"
    given: dict[str, Any] = {setting: tmp_path}
    assert getattr(trial_of(run, "A", **given).task, setting) == tmp_path


def test_another_machine_is_refused_with_what_differs() -> None:
    here = this_machine()
    require_same_place(run_of(machine=here), "A")
    with pytest.raises(InputError, match="A was recorded on another machine: processor Elbrus, here "):
        require_same_place(run_of(machine=replace(here, processor="Elbrus")), "A")
    with pytest.raises(InputError, match="nobody recorded the machine of B"):
        require_same_place(run_of(machine=None), "B")


def test_another_torch_is_refused() -> None:
    with pytest.raises(InputError, match=r"A was recorded with torch 1\.0\.0, and here is \d"):
        require_same_place(run_of(machine=this_machine(), versions={"torch": "1.0.0+cpu"}), "A")


def test_other_work_is_refused_by_its_digest() -> None:
    bundle = Bundle(Path("bundle.pt"), "b" * 64, Path("data"), macs=1)
    require_same_work(run_of(bundle_sha256="b" * 64), bundle, "A")
    with pytest.raises(InputError, match=r"A cannot be run again: .* digest aaaaaaaaaaaa, .* has bbbbbbbbbbbb"):
        require_same_work(run_of(bundle_sha256="a" * 64), bundle, "A")
    with pytest.raises(InputError, match="nobody recorded the digest"):
        require_same_work(run_of(), bundle, "A")


def test_a_run_again_that_runs_otherwise_is_refused() -> None:
    run = run_of(versions={"python": "3.11"}, affinity=(0, 1))
    report = {"settings": dict(run.settings), "versions": {"python": "3.11"}, "threads": 1, "affinity": [0, 1]}
    require_same_settings(run, report, "A")
    with pytest.raises(InputError, match=r"threads 1, now 2"):
        require_same_settings(run, {**report, "threads": 2}, "A")
    with pytest.raises(InputError, match=r"cpu_capability AVX512, now AVX2"):
        require_same_settings(run, {**report, "settings": {"cpu_capability": "AVX2"}}, "A")
    with pytest.raises(InputError, match=r"processors \(0, 1\), now \(0,\)"):
        require_same_settings(run, {**report, "affinity": [0]}, "A")
