"""Imports torch and trains three steps: recorded as a whole, it is mostly imports."""

import torch
from torch import nn


def main() -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 26 * 26, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(torch.rand(64, 1, 28, 28)), torch.zeros(64, dtype=torch.int64))
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    main()
