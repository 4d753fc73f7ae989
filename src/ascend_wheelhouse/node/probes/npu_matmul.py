"""A matrix product on the NPU against float64 on the CPU, in the three types that serving uses."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError
from .device import compare, torch_on_npu

_SIZE = 1024
_SIZE_EMULATED = 128
"""An emulated processor had not ended the first product of the full size after eleven minutes."""


def run(context: Context) -> Outcome:
    """Multiply on each device, and compare."""
    torch = torch_on_npu(context)
    source = torch.Generator().manual_seed(1)
    size = _SIZE_EMULATED if context.options.get("emulated") else _SIZE
    left, right = (torch.randn(size, size, generator=source, dtype=torch.float64) for _ in range(2))
    errors: dict[str, float] = {}
    count = torch.npu.device_count()
    for kind in ("float32", "float16", "bfloat16"):
        ours = [matrix.to(getattr(torch, kind)) for matrix in (left, right)]
        expected = ours[0].double() @ ours[1].double()
        for index in range(count):
            context.doing(f"matmul in {kind} on npu:{index}")
            first, second = (matrix.to(f"npu:{index}") for matrix in ours)
            try:
                error = compare(first @ second, expected, kind)
            except ProbeFailedError as fault:
                raise ProbeFailedError(f"npu:{index}, {fault}") from None
            errors[kind] = max(error, errors.get(kind, 0.0))
    worst = max(errors.values())
    return Outcome(
        evidence=f"{size} x {size} in three types on each of {count} devices, worst relative error {worst:.1e}",
        figures={"devices": count, "errors": errors},
    )
