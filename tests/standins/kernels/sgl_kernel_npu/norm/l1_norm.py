"""Router weights divided by their sum."""

from __future__ import annotations

from typing import Any

from sgl_kernel_npu import FAULT

Tensor = Any


def l1_norm(weights: Tensor) -> Tensor:
    """Return the rows, each with the sum 1."""
    held = weights.cpu()
    return (held / held.sum(0 if FAULT == "l1-norm-of-columns" else 1, keepdim=True)).npu()
