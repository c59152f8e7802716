"""Trains a perceptron in plain Python under cProfile: whoever records this has a second profiler in it."""

import cProfile
import sys


def predict(weights: list[float], sample: list[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, sample, strict=True))


def train(steps: int) -> list[float]:
    weights = [0.0] * 16
    for step in range(steps):
        sample = [float((step * place) % 7) for place in range(16)]
        error = (step % 2) - predict(weights, sample)
        weights = [weight + 1e-4 * error * value for weight, value in zip(weights, sample, strict=True)]
    return weights


if __name__ == "__main__":
    with cProfile.Profile():
        train(int(sys.argv[1]))
