"""R15: memory is comparable."""

from __future__ import annotations

from profkit.audit import Outcome
from profkit.audit.r15_memory import R15
from profkit.evidence import Evidence, Memory
from tests.audit.profiles import evident, profile

CPU = evident(memory=Memory(rss_bytes=2**28, peak_rss_bytes=2**29))
DEVICE = Memory(2**28, 2**29, device_allocated_bytes=100, device_reserved_bytes=200, device_peak_bytes=150)


def test_the_same_allocators_are_fair() -> None:
    found = R15.check((CPU, CPU))
    assert found.outcome is Outcome.PASS
    assert "resident memory 256 MiB and 256 MiB" in found.says
    assert found.evidence["peak resident memory"] == (2**29, 2**29)
    assert R15.check((evident(memory=DEVICE),)).outcome is Outcome.PASS


def test_an_allocator_that_one_side_asked_warns() -> None:
    found = R15.check((CPU, evident(memory=Memory(rss_bytes=2**28))))
    assert found.outcome is Outcome.WARN
    assert "only A told its peak resident memory" in found.says


def test_more_allocated_than_reserved_fails() -> None:
    odd = evident(memory=Memory(device_allocated_bytes=200, device_reserved_bytes=100))
    found = R15.check((odd, odd))
    assert found.outcome is Outcome.FAIL
    assert "200 B above 100 B" in found.says


def test_a_run_on_a_device_must_tell_its_memory() -> None:
    on_device = {"settings": {"device": "cuda"}}
    given = profile(**on_device, evidence=CPU.run.evidence)
    assert R15.check((given, given)).outcome is Outcome.WARN
    told = profile(**on_device, evidence=Evidence(memory=DEVICE))
    assert R15.check((told, told)).outcome is Outcome.PASS


def test_untold_memory_is_unknown() -> None:
    for nothing in (profile(), evident(memory=Memory())):
        found = R15.check((CPU, nothing))
        assert found.outcome is Outcome.UNKNOWN
        assert found.missing == ("memory",)
