"""Streams and events: work on two streams is ordered where an event says so, and events measure time."""

from __future__ import annotations

from typing import Any

from .api import Context, Outcome, ProbeFailedError
from .device import torch_on_npu

_TURNS = 20
_LONGEST = 120_000.0
"""Milliseconds; the probe's own limit of time."""


def run(context: Context) -> Outcome:
    """Hand a value from stream to stream and back on each device."""
    torch = torch_on_npu(context)
    times = []
    for index in range(torch.npu.device_count()):
        context.doing(f"two streams in turn on npu:{index}")
        with torch.npu.device(index):
            times.append(round(_handed(torch, index), 2))
    return Outcome(
        evidence=f"{2 * _TURNS} ordered steps over two streams on each of {len(times)} devices",
        figures={"ms": max(times), "ms_by_device": times},
    )


def _handed(torch: Any, index: int) -> float:
    """Return the milliseconds that a device's events measured."""
    first, second = torch.npu.Stream(), torch.npu.Stream()
    start, end = (torch.npu.Event(enable_timing=True) for _ in range(2))
    value = torch.zeros(1 << 20, device=f"npu:{index}")
    torch.npu.synchronize()
    start.record(first)
    for _ in range(_TURNS):
        for ours, other in ((first, second), (second, first)):
            with torch.npu.stream(ours):
                value.add_(1)
                done = torch.npu.Event()
                done.record(ours)
            other.wait_event(done)
    end.record(first)
    end.synchronize()
    torch.npu.synchronize()
    if value.min().item() != 2 * _TURNS or value.max().item() != 2 * _TURNS:
        raise ProbeFailedError(
            f"npu:{index}: {2 * _TURNS} additions over two streams gave {value.min().item()} to {value.max().item()}"
        )
    elapsed = float(start.elapsed_time(end))
    if not 0 < elapsed < _LONGEST:
        raise ProbeFailedError(f"npu:{index}: events measured {elapsed:.2f} ms for {2 * _TURNS} additions")
    return elapsed
