"""The Python program that runs a bundle, in a process of its own: twin of `cpp/`."""

BUNDLE_SCHEMA = 2
"""Of the bundles that the runners read; `cpp/include/profkit/bundle.h` has the same number."""
CHECKPOINT_SCHEMA = 1
"""Of the checkpoints that the runners write and read."""
