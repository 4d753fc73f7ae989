"""HCCL: an all-reduce over every device, a message from each rank to the next, both with known contents."""

from __future__ import annotations

import time
from typing import Any

from .api import Context, Outcome, ProbeFailedError
from .device import in_ranks, join_group, say, span_of

_COUNT, _MESSAGE = 16 << 20, 1 << 20


def run(context: Context) -> Outcome:
    """One process a device."""
    span = span_of(context)
    context.doing(f"all-reduce over {span}, then a message around")
    found = in_ranks("hccl_all_reduce", span)
    slowest = max(float(one["seconds"]) for one in found)
    rate = _COUNT * 4 * 2 * (span.world - 1) / span.world / slowest / 1e9
    return Outcome(
        evidence=f"64 MiB summed over {span} in {slowest * 1000:.1f} ms, 4 MiB passed from each rank to the next",
        figures={"devices": span.world, "bus_gb_per_second": round(rate, 1)},
    )


def rank(number: int, count: int) -> None:
    """Sum the ranks' numbers, once to warm up and once for the clock, and pass a message on."""
    torch = join_group(number, count)
    expected = count * (count + 1) / 2
    seconds = 0.0
    for _ in range(2):
        block = torch.full((_COUNT,), float(number + 1), device="npu")
        torch.npu.synchronize()
        began = time.monotonic()
        torch.distributed.all_reduce(block)
        torch.npu.synchronize()
        seconds = time.monotonic() - began
        if block.min().item() != expected or block.max().item() != expected:
            raise ProbeFailedError(f"the sum is {block.min().item()} to {block.max().item()}, not {expected}")
    _pass_on(torch, number, count)
    torch.distributed.destroy_process_group()
    say(seconds=seconds)


def _pass_on(torch: Any, number: int, count: int) -> None:
    """Send to the next rank and receive from the one before; even ranks speak first, so that none waits for ever."""
    before, after = (number - 1) % count, (number + 1) % count
    mine, theirs = _message(torch, number).npu(), torch.zeros(_MESSAGE, dtype=torch.int32).npu()
    turns = [(torch.distributed.send, mine, after), (torch.distributed.recv, theirs, before)]
    for turn, block, peer in turns if number % 2 == 0 else turns[::-1]:
        turn(block, peer)
    torch.npu.synchronize()
    wrong = int((theirs.cpu() != _message(torch, before)).sum())
    if wrong:
        raise ProbeFailedError(
            f"{wrong} of {_MESSAGE} numbers of the message from rank {before} arrived changed"
        )


def _message(torch: Any, number: int) -> Any:
    return torch.arange(_MESSAGE, dtype=torch.int32) * (number + 1)
