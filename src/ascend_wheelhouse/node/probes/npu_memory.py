"""Device memory: free and total are sane, a large block can be had, written, read and given back."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError
from .device import torch_on_npu

_GIB = 2**30
_LEAST_TOTAL = 28 * _GIB
"""Atlas A2 and A3 devices have 32 or 64 GB."""


def run(context: Context) -> Outcome:
    """Take half of what is free, use it, give it back."""
    torch = torch_on_npu(context)
    free, total = torch.npu.mem_get_info(0)
    if total < _LEAST_TOTAL:
        raise ProbeFailedError(f"npu:0 has {total / _GIB:.0f} GiB, Atlas A2 and A3 have 32 or 64")
    context.doing("half of the free memory")
    block = torch.full((free // 2,), 7, dtype=torch.uint8, device="npu:0")
    if block[0].item() != 7 or block[-1].item() != 7:
        raise ProbeFailedError("a block of device memory reads back different")
    taken = torch.npu.memory_allocated(0)
    del block
    torch.npu.empty_cache()
    if torch.npu.memory_allocated(0) >= taken:
        raise ProbeFailedError("device memory is not given back")
    figures = {"free_gib": round(free / _GIB, 1), "total_gib": round(total / _GIB, 1)}
    return Outcome(
        evidence=f"{figures['free_gib']} of {figures['total_gib']} GiB free, half of it used", figures=figures
    )
