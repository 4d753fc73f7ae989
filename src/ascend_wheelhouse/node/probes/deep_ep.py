"""deep_ep: tokens go to the experts of every local device and are combined again, low-latency kernels.

Calls and the tolerance are those of sgl-kernel-npu's tests/python/deepep/test_low_latency.py; A2's rules (a
buffer size for HCCL, no expansion mode) are those of its notes for A2.
"""

from __future__ import annotations

from typing import Any

from ..serving.server_process import free_port
from .api import Context, Outcome, ProbeFailedError
from .device import in_ranks, join_group, say

_TOKENS, _HIDDEN, _CHOICES, _EXPERTS_A_RANK = 64, 7168, 8, 4
_TOLERANCE = 1e-4
_BUFFER_MIB = "1024"


def run(context: Context) -> Outcome:
    """One process a device."""
    devices = int(context.options.get("devices", 0))
    context.doing(f"dispatch and combine over {devices} devices")
    settings = {"VERIFY_PORT": str(free_port()), "HCCL_BUFFSIZE": _BUFFER_MIB}
    found = in_ranks("deep_ep", devices, settings)
    worst = max(float(one["difference"]) for one in found)
    return Outcome(
        evidence=f"{_TOKENS} tokens a rank sent and combined over {devices} devices, difference {worst:.1e}",
        figures={"devices": devices, "difference": worst},
    )


def rank(number: int, count: int) -> None:
    """Send tokens to experts that do nothing, so that combining must give the weighted input back."""
    torch = join_group(number, count)
    from deep_ep import Buffer

    group = torch.distributed.group.WORLD
    experts = _EXPERTS_A_RANK * count
    size = Buffer.get_low_latency_rdma_size_hint(_TOKENS, _HIDDEN, count, experts)
    buffer = Buffer(group, num_rdma_bytes=size, low_latency_mode=True, num_qps_per_rank=_EXPERTS_A_RANK)
    torch.manual_seed(number)
    tokens = torch.randn(_TOKENS, _HIDDEN, device="npu").to(torch.bfloat16)
    scores = torch.rand(_TOKENS, experts, device="npu")
    chosen = scores.topk(min(_CHOICES, experts), dim=-1)[1]
    weights = torch.rand(chosen.shape, dtype=torch.float32, device="npu")
    received, counts, handle, _, _ = buffer.low_latency_dispatch(
        tokens, chosen, weights, _TOKENS, experts, use_fp8=False, async_finish=False, return_recv_hook=False
    )
    _check_counts(torch, chosen, counts, number, count)
    combined, _, _ = buffer.low_latency_combine(received, chosen, weights, handle, async_finish=False)
    expected = tokens.double() * weights.double().sum(dim=1, keepdim=True)
    difference = _difference(combined.double(), expected)
    if not difference < _TOLERANCE:
        raise ProbeFailedError(f"combined tokens differ from the weighted input by {difference:.2e}")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    say(difference=difference)


def _check_counts(torch: Any, chosen: Any, counts: Any, number: int, count: int) -> None:
    """Hold what arrived at this rank's experts to what all ranks sent."""
    everyone = torch.empty((count, *chosen.shape), dtype=chosen.dtype, device="npu")
    torch.distributed.all_gather_into_tensor(everyone, chosen.contiguous())
    for index in range(_EXPERTS_A_RANK):
        sent = int((everyone == number * _EXPERTS_A_RANK + index).sum().item())
        if int(counts[index].item()) != sent:
            raise ProbeFailedError(
                f"expert {index} of rank {number} got {int(counts[index].item())} tokens, {sent} were sent"
            )


def _difference(found: Any, expected: Any) -> float:
    """One minus the cosine-like likeness of two tensors, 0 for equal ones."""
    return float(1 - 2 * (found * expected).sum() / (found * found + expected * expected).sum())
