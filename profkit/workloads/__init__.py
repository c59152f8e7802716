"""Workloads: one network and its recipe a module, each a `profkit.spec.Workload` value."""
