"""HCCL: an all-reduce over every device of this node, with a checked sum and its bandwidth."""

from __future__ import annotations

import time

from ..serving.server_process import free_port
from .api import Context, Outcome, ProbeFailedError
from .device import in_ranks, join_group, say

_COUNT = 16 << 20


def run(context: Context) -> Outcome:
    """One process a device."""
    devices = int(context.options.get("devices", 0))
    context.doing(f"all-reduce over {devices} devices")
    found = in_ranks("hccl_all_reduce", devices, {"VERIFY_PORT": str(free_port())})
    slowest = max(float(one["seconds"]) for one in found)
    rate = _COUNT * 4 * 2 * (devices - 1) / devices / slowest / 1e9
    return Outcome(
        evidence=f"64 MiB summed over {devices} devices in {slowest * 1000:.1f} ms",
        figures={"devices": devices, "bus_gb_per_second": round(rate, 1)},
    )


def rank(number: int, count: int) -> None:
    """Sum the ranks' numbers, once to warm up and once for the clock."""
    torch = join_group(number, count)
    expected = count * (count + 1) / 2
    seconds = 0.0
    for _ in range(2):
        block = torch.full((_COUNT,), float(number + 1), device=f"npu:{number}")
        torch.npu.synchronize()
        began = time.monotonic()
        torch.distributed.all_reduce(block)
        torch.npu.synchronize()
        seconds = time.monotonic() - began
        if block.min().item() != expected or block.max().item() != expected:
            raise ProbeFailedError(f"the sum is {block.min().item()} to {block.max().item()}, not {expected}")
    torch.distributed.destroy_process_group()
    say(seconds=seconds)
