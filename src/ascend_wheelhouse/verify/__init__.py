"""Verification from the host: a sealed environment, the probes under pytest, and the report."""
