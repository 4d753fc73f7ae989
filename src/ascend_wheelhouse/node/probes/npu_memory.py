"""The memory of each device: free and total are sane, a large block can be had, written, read and given back."""

from __future__ import annotations

from typing import Any

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
    """Take half of what is free on each device, use it, give it back."""
    torch = torch_on_npu(context)
    chip = str(context.cell.get("npu", ""))
    found = []
    for index in range(torch.npu.device_count()):
        context.doing(f"half of the free memory of npu:{index}")
        with torch.npu.device(index):
            found.append(_used(torch, index, chip))
    frees, totals = ([round(size / _GIB, 1) for size in sizes] for sizes in zip(*found, strict=True))
    return Outcome(
        evidence=f"{min(frees)} of {min(totals)} GiB or more free on each of {len(found)} devices, half of it used",
        figures={"free_gib": min(frees), "total_gib": min(totals), "free_gib_by_device": frees},
    )


def _used(torch: Any, index: int, chip: str) -> tuple[int, int]:
    """Use a device's memory and return what was free and what it has, in bytes."""
    torch.ones(1, device=f"npu:{index}")
    free, total = torch.npu.mem_get_info(index)
    least = _LEAST_TOTAL.get(chip, min(_LEAST_TOTAL.values()))
    if total < least:
        raise ProbeFailedError(
            f"npu:{index} has {total / _GIB:.0f} GiB, a device of {chip or 'Atlas A2'} has more than "
            f"{least / _GIB:.0f}"
        )
    if free < _LEAST_FREE * total:
        raise ProbeFailedError(
            f"npu:{index} has {free / _GIB:.1f} of {total / _GIB:.0f} GiB free: something holds the rest"
        )
    block = torch.full((free // 2,), 7, dtype=torch.uint8, device=f"npu:{index}")
    if block[0].item() != 7 or block[-1].item() != 7:
        raise ProbeFailedError(f"a block of npu:{index}'s memory reads back different")
    taken = torch.npu.memory_allocated(index)
    del block
    torch.npu.empty_cache()
    kept = free - torch.npu.mem_get_info(index)[0]
    if torch.npu.memory_allocated(index) >= taken or kept > _SLACK:
        raise ProbeFailedError(f"{kept / _GIB:.1f} GiB of npu:{index}'s memory are not given back")
    return free, total
