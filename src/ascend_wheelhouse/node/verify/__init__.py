"""Proves an environment on this node: probes are planned, run each in a process of its own, and reported."""
