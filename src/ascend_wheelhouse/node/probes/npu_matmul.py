"""A matrix product on the NPU against float64 on the CPU, in the three types that serving uses."""

from __future__ import annotations

from .api import Context, Outcome
from .device import compare, torch_on_npu

_SIZE = 1024
_SIZE_EMULATED = 128
"""An emulated processor had not ended the first product of the full size after eleven minutes."""


def run(context: Context) -> Outcome:
    """Multiply, compare, and time the last of several products."""
    torch = torch_on_npu(context)
    source = torch.Generator().manual_seed(1)
    size = _SIZE_EMULATED if context.options.get("emulated") else _SIZE
    left, right = (torch.randn(size, size, generator=source, dtype=torch.float64) for _ in range(2))
    errors = {}
    for kind in ("float32", "float16", "bfloat16"):
        context.doing(f"matmul in {kind}")
        ours = [matrix.to(getattr(torch, kind)) for matrix in (left, right)]
        expected = ours[0].double() @ ours[1].double()
        errors[kind] = compare(ours[0].npu() @ ours[1].npu(), expected, kind)
    worst = max(errors.values())
    return Outcome(
        evidence=f"{size} x {size} in three types, worst relative error {worst:.1e}",
        figures={"errors": errors},
    )
