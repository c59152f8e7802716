"""The network of the workload mnist_cnn, trained as one would write it by hand: twin of `cpp/tests/plain.cpp`.

Takes batch size, steps, warm-up and threads, and perhaps a trace that PyTorch Profiler is to write of the steps; prints
the time of each step as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from torch import nn

BATCHES = 4


def main() -> None:
    batch_size, steps, warmup, threads = map(int, sys.argv[1:5])
    traces = sys.argv[5:]
    profiler = torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True, profile_memory=True
    )
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (BATCHES * batch_size, 1, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (BATCHES * batch_size,))
    order = torch.randperm(BATCHES * batch_size)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    times = []
    for step in range(warmup + steps):
        if traces and step == warmup:
            profiler.start()
        start = time.perf_counter_ns()
        first = step % BATCHES * batch_size
        rows = order[first : first + batch_size]
        x = images.index_select(0, rows).to(torch.float32).div_(255).sub_(0.1307).div_(0.3081)
        y = labels.index_select(0, rows)
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter_ns() - start)
    for trace in traces:
        profiler.stop()
        profiler.export_chrome_trace(trace)
    sys.stdout.write(json.dumps({"step_ns": times[warmup:]}))


if __name__ == "__main__":
    main()
