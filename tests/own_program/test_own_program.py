"""The user's own Python program, unedited: what is recorded, and that the program does not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.own_program.conftest import TRAIN_CNN, TRAIN_RESNET, Record, Recorded

NETWORK = """
import os, signal, sys, torch
from torch import nn
network = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        network(torch.ones(3, 8)).sum().backward()
        optimizer.step()
"""
PYTHON = sys.executable


def write(directory: Path, body: str, name: str = "program.py") -> Path:
    path = directory / name
    path.write_text(f"{NETWORK}\n{body}\n")
    return path


def test_input_output_arguments_and_exit_code_are_the_programs_own(recorded: Record, tmp_path: Path) -> None:
    script = write(tmp_path, "train(9); print(sys.argv[1:], input(), __name__); print('x' * 3_000_000); sys.exit(7)")
    done = recorded("--steps", 4, "--", PYTHON, script, "--a", "b", text="hello\n")
    assert done.exit_code == 7
    assert done.stdout == "['--a', 'b'] hello __main__\n" + "x" * 3_000_000 + "\n"
    assert done.profile.run.steps == 4


def test_json_is_all_that_is_on_standard_output(recorded: Record, tmp_path: Path) -> None:
    import json

    done = recorded("--json", "--steps", 2, "--", PYTHON, write(tmp_path, "train(9); print('mine'); sys.exit(3)"))
    said = json.loads(done.stdout)
    assert (said["exit_code"], said["steps"], done.exit_code) == (3, 2, 3)
    assert "mine" in done.stderr


def test_steps_are_those_of_the_optimizer_after_the_warm_up(recorded: Record, tmp_path: Path) -> None:
    done = recorded("--warmup", 3, "--steps", 5, "--", PYTHON, write(tmp_path, "train(30)"))
    run = done.profile.run
    assert (run.steps, len(run.tool_step_ns), run.warmup) == (5, 5, 3)
    assert len(run.step_ns) == 20  # timed after the region, without the tool
    updates = done.profile.operators.to_pandas().query("symbol.str.startswith('Optimizer.step', na=False)")
    assert updates["count"].sum() == 5
    layers = set(done.profile.operators["layer"].to_pylist())
    assert {"0", "1", "2", "Sequential"} <= layers


def test_without_an_optimizer_a_step_is_a_call_of_the_network(recorded: Record, tmp_path: Path) -> None:
    script = tmp_path / "infer.py"
    script.write_text(
        "import torch\nfrom torch import nn\nnetwork = nn.Sequential(nn.Linear(8, 4), nn.Softmax(1))\n"
        "for _ in range(7):\n    nn.functional.relu(network(torch.ones(2, 8)))\n"
    )
    done = recorded("--warmup", 2, "--steps", 5, "--", PYTHON, script)
    assert done.profile.run.steps == 5, done.stderr
    forward = done.profile.operators.to_pandas().query("operator == 'aten::softmax'")
    assert forward["count"].sum() == 5


def test_marks_of_the_program_win_over_its_optimizer(recorded: Record, tmp_path: Path) -> None:
    script = write(tmp_path, "import profkit\nfor _ in range(8):\n    train(3)\n    profkit.step()")
    done = recorded("--warmup", 2, "--steps", 4, "--", PYTHON, script)
    updates = done.profile.operators.to_pandas().query("symbol.str.startswith('Optimizer.step', na=False)")
    assert (done.profile.run.steps, updates["count"].sum()) == (4, 12)


def test_a_region_is_recorded_whole_and_alone(recorded: Record, tmp_path: Path) -> None:
    script = write(tmp_path, "import profkit\ntrain(2)\nwith profkit.region():\n    train(6)\ntrain(2)")
    done = recorded("--steps", 2, "--", PYTHON, script)
    updates = done.profile.operators.to_pandas().query("symbol.str.startswith('Optimizer.step', na=False)")
    assert updates["count"].sum() == 6


def test_marks_say_nothing_when_nothing_is_recorded(tmp_path: Path) -> None:
    script = write(tmp_path, "import profkit\nwith profkit.region():\n    train(1); profkit.step()\nprint('ran')")
    assert subprocess.run([PYTHON, script], capture_output=True, text=True, check=True).stdout == "ran\n"


def test_stop_ends_the_program_with_its_clean_up(recorded: Record, tmp_path: Path) -> None:
    script = write(tmp_path, "try:\n    train(10**9)\nfinally:\n    print('cleaned up')")
    done = recorded("--stop", "--steps", 3, "--", PYTHON, script)
    assert (done.exit_code, done.stdout, done.profile.run.steps) == (0, "cleaned up\n", 3)


def test_modules_and_scripts_with_a_shebang_are_recorded(recorded: Record, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    write(package, "train(6); print(__package__, sys.argv[1:])", "train.py")
    done = recorded("--steps", 2, "--warmup", 1, "--", PYTHON, "-m", "package.train", "x")
    assert done.stdout == "package ['x']\n"
    script = tmp_path / "console"
    script.write_text(f"#!{PYTHON}\nfrom package.train import train\ntrain(5)\n")
    script.chmod(0o755)
    again = recorded("--force", "--steps", 2, "--warmup", 1, "--", script)
    assert again.profile.run.workload == "console"


@pytest.mark.parametrize(
    ("body", "words", "code"),
    [
        ("train(2)", "it ended after 2 steps, and the warm-up is 3", 6),
        ("print('no torch to speak of')", "it came to no step", 6),
        ("import profkit; train(9)", "it imports profkit, and has no profkit.step()", 6),
        ("train(1); sys.exit(5)", "ended with exit code 5; nothing", 5),
        ("train(5); os.kill(os.getpid(), signal.SIGKILL)", "ended with signal SIGKILL; nothing", 137),
        ("raise RuntimeError('its own')", "ended with exit code 1; nothing", 1),
    ],
)
def test_a_program_with_nothing_to_record_is_told_of(
    recorded: Record, tmp_path: Path, body: str, words: str, code: int
) -> None:
    done = recorded("--", PYTHON, write(tmp_path, body))
    assert done.exit_code == code, done.stderr
    assert words in done.stderr
    assert "hint: " in done.stderr
    assert not done.path.exists()
    assert not list((tmp_path / "profkit-runs").iterdir())


def test_what_was_recorded_before_a_signal_is_kept(recorded: Record, tmp_path: Path) -> None:
    script = write(tmp_path, "train(8); os.kill(os.getpid(), signal.SIGTERM); train(99)")
    done = recorded("--steps", 50, "--", PYTHON, script)
    assert (done.exit_code, done.profile.run.steps) == (143, 5)
    assert "ended after 5 of 50 steps" in done.stderr


def test_a_profiler_of_the_programs_own_runs_undisturbed(recorded: Record, tmp_path: Path) -> None:
    body = "with torch.profiler.profile() as own: train(3)\nprint(any('addmm' in e.key for e in own.key_averages()))"
    done = recorded("--steps", 50, "--", PYTHON, write(tmp_path, f"train(6)\n{body}"))
    assert done.stdout == "True\n"
    assert "a PyTorch Profiler of its own" in done.stderr
    assert done.profile.run.steps == 3
    later = recorded("--force", "--warmup", 1, "--steps", 4, "--", PYTHON, write(tmp_path, f"{body}\ntrain(9)"))
    assert (later.stdout, later.profile.run.steps) == ("True\n", 4)


def test_compiled_networks_are_recorded(recorded: Record, tmp_path: Path) -> None:
    body = "network = torch.compile(network, backend='eager')\ntrain(9)\nprint('ran')"
    done = recorded("--steps", 3, "--", PYTHON, write(tmp_path, body))
    assert (done.stdout, done.profile.run.steps) == ("ran\n", 3)


def test_children_of_the_program_are_left_alone(recorded: Record, tmp_path: Path) -> None:
    body = (
        "import subprocess, multiprocessing\n"
        "if __name__ == '__main__':\n"
        "    train(5)\n"
        "    child = os.fork()\n"
        "    if not child:\n        train(5); os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(abs, [-1]))\n"
        "    print(subprocess.run([sys.executable, '-c', 'print(2)'], capture_output=True).stdout)\n"
        "    train(4)"
    )
    done = recorded("--steps", 6, "--", PYTHON, write(tmp_path, body))
    assert done.stdout == "[1]\nb'2\\n'\n"
    assert done.profile.run.steps == 6


def test_what_the_program_leaves_in_the_background_stays(recorded: Record, tmp_path: Path) -> None:
    body = (
        "import subprocess\n"
        "quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(subprocess.Popen(['sleep', '600'], start_new_session=True, **quiet).pid)\n"
        "train(6)"
    )
    done = recorded("--steps", 2, "--", PYTHON, write(tmp_path, body))
    daemon = psutil.Process(int(done.stdout))
    assert daemon.name() == "sleep"
    daemon.kill()


def test_a_program_that_takes_too_long_is_asked_to_end(recorded: Record, tmp_path: Path) -> None:
    script = write(tmp_path, "train(6)\nimport time\ntime.sleep(600)")
    done = recorded("--time-limit", 15, "--steps", 50, "--", PYTHON, script)
    assert (done.exit_code, done.profile.run.steps) == (143, 3)


def test_interrupting_ends_the_program_and_keeps_what_was_recorded(tmp_path: Path) -> None:
    script = write(tmp_path, "print('begun', flush=True)\ntrain(10**9)")
    command = [PYTHON, "-m", "profkit", "record", "--steps", "1000000", "--", PYTHON, str(script)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(1)  # some steps
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "KeyboardInterrupt" in stderr  # the program's own traceback
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    [run] = (tmp_path / "profkit-runs").iterdir()
    assert {"run.json", "profile.json", "trace.json"} <= {file.name for file in run.iterdir()}


def test_the_environment_and_its_sitecustomize_stay(recorded: Record, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import builtins\nbuiltins.MINE = 'customized'\n")
    script = write(tmp_path, "train(6); print(MINE)")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = recorded("--steps", 2, "--", PYTHON, script, environment=environment)
    assert done.stdout == "customized\n", done.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--impl", "libtorch", "--", PYTHON, "x.py"], "--impl says nothing of a program of your own"),
        (["--stop"], "--stop says nothing of a network of profkit"),
        (["--steps", "0", "--", PYTHON, "x.py"], "--steps is 0"),
        (["--", PYTHON, "-I", "x.py"], "Python's flag -I keeps profkit out of the program"),
        (["--tool", "py-spy", "--", "env"], "py-spy cannot record env"),
        (["--tool", "scalene", "--", "env"], "scalene cannot record env"),
        (["--tool", "py-spy", "--impl", "libtorch"], "py-spy cannot record --impl libtorch"),
        (["--tool", "py-spy", "--tool-option", "rat=3"], "unknown --tool-option of py-spy 'rat'"),
        (["--tool", "py-spy", "--tool-option", "native=maybe"], "option native is 'maybe'"),
        (["--tool", "py-spy", "--tool-option", "nonblocking=true", "--tool-option", "native=true"], "py-spy: native"),
    ],
    ids=lambda value: value[-40:] if isinstance(value, str) else "",
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    recorded: Record, words: list[str], complaint: str
) -> None:
    done = recorded(*words)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


LAYERS = {
    TRAIN_CNN: {"conv1", "conv2", "fc1", "fc2"},
    TRAIN_RESNET: {"conv1", "layer1.0.conv1", "layer2.0.downsample.0", "layer3.1.bn2", "fc"},
}


@pytest.mark.parametrize("script", LAYERS, ids=lambda script: script.stem)
@pytest.mark.parametrize("tool", ["torch", "py-spy", "scalene", "callgrind"])
def test_the_layers_of_a_script_that_knows_nothing_are_seen_by_every_tool(
    examples: Callable[[str, Path], Recorded], tool: str, script: Path
) -> None:
    done = examples(tool, script)
    assert done.exit_code == 0, done.stderr
    frame = done.profile.operators.to_pandas()
    seen = set(frame["layer"].dropna())
    if tool in ("torch", "callgrind"):
        assert LAYERS[script] <= seen
    else:
        assert any(layer.rpartition(".")[2].startswith("conv") for layer in seen)  # a sampler need not meet them all
    phases = {"forward", "backward", "optimizer"} if tool in ("torch", "callgrind") else {"forward", "backward"}
    assert phases <= set(frame["phase"].dropna())
    assert "loss" in done.stdout or tool == "callgrind"
