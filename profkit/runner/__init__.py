"""The Python program that runs a bundle, in a process of its own: twin of `cpp/`."""

BUNDLE_SCHEMA = 1
"""Of the bundles that the runners read; `cpp/src/bundle.cpp` has the same number."""
