"""Is the comparison fair, and why is LibTorch quicker than PyTorch? The audit's doubts, then the causes of the gap.

Run it anywhere in a checkout: python examples/03_why_slower.py
"""

from pathlib import Path

import profkit
from profkit.audit import Outcome, audit

TRACES = Path(__file__).parents[1] / "traces" / "mnist_cnn"

python = profkit.load(TRACES / "pytorch" / "callgrind" / "profile.json")
cpp = profkit.load(TRACES / "libtorch" / "callgrind" / "profile.json")

for name, finding in audit(python, cpp).findings.items():
    if finding.outcome in (Outcome.WARN, Outcome.FAIL):
        print(f"{name} {finding.outcome}: {finding.says}")

explanation = profkit.explain(python, cpp)
print(f"{explanation.gap:+,.0f} {explanation.unit} a step")
for cause in explanation.causes:
    print(f"{cause.delta:+12,.0f}  {cause.name} ({cause.confidence})")
