"""What a user reads of an agreement: the differences, the verdict, what could not run, in eighty columns."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from profkit.agree import Check
from profkit.rounding import FACTOR
from profkit.run import Agreement
from profkit.views.agree import agreement_json, agreement_view

AGREES = Agreement("pytorch", 20, 2e-7, 6e-8, 2.5e-7, 2e-8, 1e-5, statistics=3e-6, excess=0.021, worst="loss 16")
DIFFERS = replace(AGREES, weight=0.5, excess=50_000.0, worst="weight layer4.0.downsample.0.weight")
PAIRS = {"pytorch, libtorch": AGREES, "pytorch, numba:cuda": AGREES, "libtorch:cuda, numba:cuda": AGREES}
REASON = "no CUDA device, and this torch is a CPU build"
ONE = Check("mnist_cnn", PAIRS, {"libtorch:cuda": REASON})


def text_of(checks: Sequence[Check]) -> str:
    out = io.StringIO()
    Console(file=out, width=80, markup=False, highlight=False).print(agreement_view(checks))
    return out.getvalue()


def row_of(checks: Sequence[Check], pair: str) -> str:
    """The line of a pair, in words."""
    words = [" ".join(line.split()) for line in text_of(checks).splitlines()]
    return next(line for line in words if line.startswith(pair))


def test_a_pair_has_its_differences_the_share_of_what_is_allowed_and_the_verdict() -> None:
    assert row_of([ONE], "pytorch, libtorch") == "pytorch, libtorch 6e-08 2e-07 2e-08 3e-06 2e-07 0.021 agrees"


def test_a_difference_that_is_none_is_a_plain_zero() -> None:
    equal = replace(AGREES, output=0.0, loss=0.0, weight=0.0, statistics=0.0)
    row = row_of([Check("mnist_cnn", {"pytorch, numba": equal}, {})], "pytorch, numba")
    assert row == "pytorch, numba 0 0 0 0 2e-07 0.021 agrees"


def test_nothing_is_wider_than_eighty_columns() -> None:
    long = Check("conv_autoencoder", {**PAIRS, "libtorch:cuda, pytorch:cuda": DIFFERS}, ONE.refused)
    assert max(map(len, text_of([ONE, long]).splitlines())) <= 80


def test_a_disagreement_is_loud_and_names_the_worst_tensor() -> None:
    differs = replace(DIFFERS, worst="weight conv1.bias")
    said = " ".join(text_of([Check("mnist_cnn", {"pytorch, numba": differs}, {})]).split())
    assert "DIFFERS:" in said
    assert "5e+04" in said
    assert "agrees" not in said
    nan = replace(AGREES, output=float("nan"), excess=float("nan"), worst="output")
    said = " ".join(text_of([Check("mnist_cnn", {"pytorch, numba": nan}, {})]).split())
    assert "nan" in said
    assert "DIFFERS:" in said


def test_an_agreement_from_before_rounding_was_measured_has_no_share() -> None:
    row = row_of([Check("mnist_cnn", {"pytorch, numba": replace(AGREES, excess=None)}, {})], "pytorch, numba")
    assert row == "pytorch, numba 6e-08 2e-07 2e-08 3e-06 2e-07 agrees"


def test_what_is_unsupported_everywhere_is_said_once_and_elsewhere_for_what() -> None:
    other = Check("resnet18", PAIRS, {"libtorch:cuda": REASON, "numba": "numba has no add"})
    said = " ".join(text_of([ONE, other]).split())
    assert said.count(f"libtorch:cuda is unsupported: {REASON}") == 1
    assert "numba is unsupported for resnet18: numba has no add" in said


def test_where_nothing_could_run_the_reasons_stand_alone() -> None:
    said = " ".join(text_of([Check("mnist_cnn", {}, {"libtorch:cuda": REASON})]).split())
    assert said.endswith(f"mnist_cnn libtorch:cuda is unsupported: {REASON}")


def test_the_caption_says_how_many_steps_and_how_much_is_allowed() -> None:
    said = " ".join(text_of([ONE]).split())
    assert "losses of 20 training steps" in said
    assert f"{FACTOR} times the distance of float32 from float64 in the reference" in said
    assert "1e-05 at the least; above 1 differs." in said
    few = Check("alexnet", {"pytorch, libtorch": replace(AGREES, steps=2)}, {})
    assert "losses of 2 to 20 training steps" in " ".join(text_of([ONE, few]).split())


def test_json_has_every_number_and_null_for_what_is_none() -> None:
    nan = replace(AGREES, output=float("nan"), excess=float("nan"))
    body = agreement_json([ONE, Check("resnet18", {"pytorch, numba": nan}, {})])
    assert list(body) == ["mnist_cnn", "resnet18"]
    assert list(body["mnist_cnn"]["agreements"]) == list(PAIRS)
    assert body["mnist_cnn"]["unsupported"] == {"libtorch:cuda": REASON}
    found = body["mnist_cnn"]["agreements"]["pytorch, libtorch"]
    assert (found["agrees"], found["loss"], found["excess"], found["worst"]) == (True, 2.5e-7, 0.021, "loss 16")
    wrong = body["resnet18"]["agreements"]["pytorch, numba"]
    assert (wrong["agrees"], wrong["output"], wrong["excess"]) == (False, None, None)
    json.dumps(body, allow_nan=False)
