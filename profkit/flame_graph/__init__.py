"""Flame graphs: call trees of any recording as columns, for the exporters to write down."""
