"""Weights as Adam with weight decay leaves them after thousands of steps: a tenth of each tensor is about 1e-40."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def decayed(weights: dict[str, torch.Tensor], share: float = 0.1, size: float = 1e-40) -> dict[str, torch.Tensor]:
    """The weights with a share of each trainable tensor's numbers as subnormal ones of both signs."""
    random = torch.Generator().manual_seed(0)
    changed = {}
    for name, tensor in weights.items():
        chosen = torch.rand(tensor.shape, generator=random) < share
        tiny = torch.full_like(tensor, size) * torch.where(torch.rand(tensor.shape, generator=random) < 0.5, -1, 1)
        trainable = tensor.is_floating_point() and "running" not in name
        changed[name] = torch.where(chosen, tiny, tensor) if trainable else tensor
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="bundle.pt whose weights to take")
    parser.add_argument("output", type=Path, help="state_dict file to write")
    arguments = parser.parse_args()
    torch.save(decayed(torch.load(arguments.bundle, weights_only=True)["weights"]), arguments.output)


if __name__ == "__main__":
    main()
