"""What a run tells by itself."""

from __future__ import annotations

import pytest

from profkit.run import Run


@pytest.mark.parametrize(
    ("plain", "under_tool", "slowdown"),
    [
        ((10, 20, 30), (40, 40), 2.0),
        ((), (40,), None),
        ((10,), (), None),
        ((0, 0, 80), (40,), None),
    ],
)
def test_the_slowdown_is_of_medians_and_unknown_without_a_time(
    plain: tuple[int, ...], under_tool: tuple[int, ...], slowdown: float | None
) -> None:
    assert Run(tool="torch", step_ns=plain, tool_step_ns=under_tool).slowdown == slowdown
