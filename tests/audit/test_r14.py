"""R14: both ran on one machine."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace

import psutil
import pytest

from profkit.audit import Outcome
from profkit.audit.r14_machine import R14
from profkit.machine import this_machine
from profkit.profile import Profile
from tests.audit.profiles import MACHINE, profile

ONE = profile()


def on(device_name: str) -> Profile:
    return profile(settings={"device": "cuda", "device_name": device_name})


def test_one_machine_is_fair() -> None:
    found = R14.check((ONE, ONE))
    assert (found.outcome, found.says) == (Outcome.PASS, "both ran on EPYC, 2 cores")
    assert R14.check((ONE,)).outcome is Outcome.PASS


def test_another_machine_fails_and_is_described() -> None:
    found = R14.check((ONE, profile(machine=replace(MACHINE, cores=64, processor="Xeon"))))
    assert (found.outcome, found.says) == (
        Outcome.FAIL,
        "the machines differ: processor EPYC and Xeon; cores 2 and 64",
    )
    assert found.evidence["cores"] == ("2", "64")


def test_another_accelerator_is_another_machine_and_none_in_use_is_not() -> None:
    found = R14.check((on("H100"), on("A100")))
    assert (found.outcome, found.says) == (Outcome.FAIL, "the machines differ: accelerators H100 and A100")
    assert R14.check((on("H100"), on("H100"))).outcome is Outcome.PASS
    assert R14.check((ONE, on("H100"))).outcome is Outcome.PASS
    listed = profile(machine=replace(MACHINE, accelerators=("A100",)))
    assert R14.check((on("H100"), listed)).outcome is Outcome.FAIL


@pytest.mark.skipif(not hasattr(psutil.Process, "cpu_affinity"), reason="no affinity here")
def test_a_program_bound_to_one_processor_is_on_the_same_machine() -> None:
    bound = (
        "import json, os, dataclasses\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from profkit.machine import this_machine\n"
        "print(json.dumps(dataclasses.asdict(this_machine())))\n"
    )
    done = subprocess.run([sys.executable, "-c", bound], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {**asdict(this_machine()), "accelerators": []}


def test_an_unrecorded_machine_is_unknown() -> None:
    found = R14.check((ONE, profile(machine=None)))
    assert found.outcome is Outcome.UNKNOWN
    assert found.says == "nobody recorded of B: the machine"
