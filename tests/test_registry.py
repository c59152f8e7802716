from __future__ import annotations

import pytest

from profkit.errors import UsageError
from profkit.implementations import Implementation
from profkit.importers import Importer
from profkit.recorders import Recorder
from profkit.registry import discover, find


def test_every_module_of_a_package_contributes_its_value() -> None:
    assert list(discover("profkit.recorders", Recorder)) == ["callgrind", "py-spy", "scalene", "torch", "wallclock"]
    assert list(discover("profkit.implementations", Implementation)) == ["libtorch", "numba", "pytorch"]


def test_the_format_of_every_recorder_has_an_importer() -> None:
    formats = {recorder.format for recorder in discover("profkit.recorders", Recorder).values()}
    assert formats <= set(discover("profkit.importers", Importer))


def test_an_unknown_name_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(UsageError) as caught:
        find("profkit.recorders", Recorder, "calgrind")
    assert caught.value.message == "unknown recorder 'calgrind'"
    assert caught.value.hint.startswith("did you mean callgrind")


def test_a_name_like_no_other_is_answered_with_all_of_them() -> None:
    with pytest.raises(UsageError) as caught:
        find("profkit.implementations", Implementation, "zzz")
    assert caught.value.hint == "known: libtorch, numba, pytorch"
