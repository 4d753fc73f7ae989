"""What the axes of a matrix are called; light to import."""

from __future__ import annotations

AXES = ("stack", "torch", "cann", "sglang", "app", "extra", "platform", "npu", "glibc", "python")
"""The options that name a cell, `--platform` for `platform` and so on, in the order in which a cell's are told."""
