"""Device memory: free and total are sane, a large block can be had, written, read and given back."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError
from .device import torch_on_npu

_GIB = 2**30
_LEAST_TOTAL = {"a3": 60 * _GIB, "910b": 28 * _GIB}
"""Each device of Atlas A3 has 64 GB, of Atlas A2 32 or 64; some of it is the driver's."""

_LEAST_FREE = 0.5
"""Of the total; a model's weights and its cache want nearly all of it."""

_SLACK = 1 << 30
"""What a first use may keep for good: the runtime's own buffers."""


def run(context: Context) -> Outcome:
    """Take half of what is free, use it, give it back."""
    torch = torch_on_npu(context)
    torch.ones(1, device="npu:0")
    free, total = torch.npu.mem_get_info(0)
    chip = str(context.cell.get("npu", ""))
    least = _LEAST_TOTAL.get(chip, min(_LEAST_TOTAL.values()))
    if total < least:
        raise ProbeFailedError(
            f"npu:0 has {total / _GIB:.0f} GiB, a device of {chip or 'Atlas A2'} has more than {least / _GIB:.0f}"
        )
    if free < _LEAST_FREE * total:
        raise ProbeFailedError(
            f"npu:0 has {free / _GIB:.1f} of {total / _GIB:.0f} GiB free: something holds the rest"
        )
    context.doing("half of the free memory")
    block = torch.full((free // 2,), 7, dtype=torch.uint8, device="npu:0")
    if block[0].item() != 7 or block[-1].item() != 7:
        raise ProbeFailedError("a block of device memory reads back different")
    taken = torch.npu.memory_allocated(0)
    del block
    torch.npu.empty_cache()
    kept = free - torch.npu.mem_get_info(0)[0]
    if torch.npu.memory_allocated(0) >= taken or kept > _SLACK:
        raise ProbeFailedError(f"{kept / _GIB:.1f} GiB of device memory are not given back")
    figures = {"free_gib": round(free / _GIB, 1), "total_gib": round(total / _GIB, 1)}
    return Outcome(
        evidence=f"{figures['free_gib']} of {figures['total_gib']} GiB free, half of it used", figures=figures
    )
