"""Compare two recordings from Python: which layers cost LibTorch more instructions than PyTorch?

Run it anywhere in a checkout: python examples/01_diff_in_python.py
"""

from pathlib import Path

import profkit

TRACES = Path(__file__).parents[1] / "traces" / "mnist_cnn"

python = profkit.load(TRACES / "pytorch" / "callgrind" / "profile.json")
cpp = profkit.load(TRACES / "libtorch" / "callgrind" / "profile.json")
result = profkit.diff(python, cpp, by=("layer", "phase"))

print(f"{result.total.delta:+,.0f} {result.unit} a step")
for row in result.rows[:5]:
    print(f"{row.delta:+12,.0f}  {' '.join(str(value) for value in row.key)}  {row.verdict}")
