"""Write a Kineto trace of any size: a real training run of a few seconds, its events repeated later with fresh ids.

    python tests/benchmarks/make_trace.py trace.json --megabytes 300

Time stamps, external ids, sequence numbers, flow ids and step numbers go on from one repetition to the next, so that
the file looks as a long run's would; everything else is what torch wrote.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from decimal import Decimal
from functools import partial
from pathlib import Path

_COUNTERS = re.compile(
    rb'"ts": (?P<ts>[0-9.]+)|"(?:External id|Ev Idx|id)": (?P<id>[0-9]+)|"Sequence number": (?P<sequence>[0-9]+)'
    rb"|ProfilerStep#(?P<step>[0-9]+)"
)
_GAP_US = 50


def record(path: Path, steps: int = 6, *, shapes: bool = True, stack: bool = False, memory: bool = True) -> None:
    """Train a small convolutional network under torch.profiler, with scopes for steps, phases and layers.

    Args:
        path: where torch writes the trace.
        steps: training steps in the trace.
        shapes: record the shapes of inputs.
        stack: record Python functions.
        memory: record allocations.
    """
    import torch
    from torch import nn
    from torch.profiler import ProfilerActivity, profile, record_function

    torch.manual_seed(0)
    layers = {"conv1": nn.Conv2d(1, 8, 3), "relu": nn.ReLU(), "pool": nn.MaxPool2d(2), "flatten": nn.Flatten()}
    layers["linear"] = nn.Linear(8 * 13 * 13, 10)
    parameters = [parameter for layer in layers.values() for parameter in layer.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
    images, labels = torch.randn(16, 1, 28, 28), torch.randint(10, (16,))

    def train(step: int) -> None:
        with record_function(f"ProfilerStep#{step}"):
            with record_function("phase/forward"):
                value = images
                for name, layer in layers.items():
                    with record_function(f"layer/{name}"):
                        value = layer(value)
                with record_function("layer/loss"):
                    loss = nn.functional.cross_entropy(value, labels)
            with record_function("phase/backward"):
                loss.backward()
            with record_function("phase/optimizer"):
                optimizer.step()
                optimizer.zero_grad()

    train(0)
    with profile(
        activities=[ProfilerActivity.CPU], record_shapes=shapes, with_stack=stack, profile_memory=memory
    ) as profiler:
        for step in range(steps):
            train(step)
    profiler.export_chrome_trace(str(path))


def repeat(source: Path, target: Path, size: int) -> int:
    """Repeat the events of a trace until the file has `size` bytes at least.

    Args:
        source: trace in torch's own layout.
        target: file to write.
        size: of the file to write [byte].

    Returns:
        Number of repetitions.
    """
    text = source.read_bytes()
    begin = text.index(b'"traceEvents": [') + len(b'"traceEvents": [')
    first = text.index(b'    "ph": "X"', begin)
    begin_events = text.rindex(b"  {", begin, first)
    end = text.index(b',\n  {\n    "ph": "X",\n    "cat": "Trace"', first)
    body = text[begin_events:end]
    times = [Decimal(match["ts"].decode()) for match in _COUNTERS.finditer(body) if match["ts"]]
    strides = {
        "ts": max(times) - min(times) + _GAP_US,
        "id": 1 + max(int(match["id"]) for match in _COUNTERS.finditer(body) if match["id"]),
        "sequence": 1 + max(int(match["sequence"]) for match in _COUNTERS.finditer(body) if match["sequence"]),
        "step": 1 + max((int(match["step"]) for match in _COUNTERS.finditer(body) if match["step"]), default=0),
    }
    copies = max(1, -(-(size - len(text)) // len(body)) + 1)
    with target.open("wb") as file:
        file.write(text[:begin_events])
        for copy in range(copies):
            file.write(b",\n" if copy else b"")
            file.write(_COUNTERS.sub(partial(_advance, strides=strides, copy=copy), body))
        file.write(text[end:])
    return copies


def _advance(match: re.Match[bytes], strides: dict[str, Decimal | int], copy: int) -> bytes:
    kind = match.lastgroup or ""
    label = match[0][: match.start(kind) - match.start()]
    value = Decimal(match[kind].decode()) + strides[kind] * copy
    return label + str(value).encode()


def make_trace(path: Path, size: int, *, shapes: bool = True, stack: bool = False, memory: bool = True) -> None:
    """Record a run and repeat it until the trace has `size` bytes."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "trace.json"
        record(source, shapes=shapes, stack=stack, memory=memory)
        repeat(source, path, size)


def main() -> None:
    """Read the command line and write the trace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--stack", action="store_true")
    parser.add_argument("--no-shapes", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    args = parser.parse_args()
    make_trace(
        args.path, args.megabytes * 1_000_000, shapes=not args.no_shapes, stack=args.stack, memory=not args.no_memory
    )


if __name__ == "__main__":
    main()
