"""deep_ep: tokens go to the experts of every device and are combined again, in normal and in low-latency mode.

Normal mode is what prefill takes, low latency what decode takes (`--deepep-mode auto` has both), each with the calls
that SGLang makes (srt/layers/moe/token_dispatcher/deepep.py). Checks and tolerances are those of sgl-kernel-npu's
tests/python/deepep/test_intranode.py, test_internode.py and test_low_latency.py: experts that do nothing, so that
combining must give the weighted input back. A2's rules (a buffer size for HCCL, no expansion mode, and how HCCL goes
within a node where there are several) are those of its README's notes for A2.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

from .api import Context, Outcome, ProbeFailedError
from .device import in_ranks, join_group, say, span_of

_TOKENS, _HIDDEN, _CHOICES, _EXPERTS_A_RANK = 64, 7168, 8, 4
_TOLERANCES = {"normal": 5e-5, "low-latency": 1e-4}
_NORMAL_BYTES = int(2e9)
_BUFFER_MIB = "1024"


def run(context: Context) -> Outcome:
    """One process a device."""
    span = span_of(context)
    context.doing(f"dispatch and combine over {span}")
    found = in_ranks("deep_ep", span, hccl_settings(str(context.cell.get("npu", "")), span.nodes))
    worst = {mode: max(float(one[mode]) for one in found) for mode in _TOLERANCES}
    told = ", ".join(f"{mode} difference {value:.1e}" for mode, value in worst.items())
    return Outcome(
        evidence=f"{_TOKENS} tokens a rank sent and combined over {span}: {told}",
        figures={"devices": span.world, "nodes": span.nodes, "difference": worst},
    )


def hccl_settings(npu: str, nodes: int) -> dict[str, str]:
    """Return what HCCL is told: its buffer in MiB, and between nodes of A2 to go by PCIe within each.

    Source: sgl-kernel-npu, python/deep_ep/README.md at 03d5978, "A2 Dual Node".
    """
    between = {"HCCL_INTRA_PCIE_ENABLE": "1", "HCCL_INTRA_ROCE_ENABLE": "0"}
    return {"HCCL_BUFFSIZE": _BUFFER_MIB, **(between if npu == "910b" and nodes > 1 else {})}


def rank(number: int, count: int) -> None:
    """Send this rank's tokens out and take them back, in each mode."""
    torch = join_group(number, count)
    torch.manual_seed(number)
    experts = _EXPERTS_A_RANK * count
    tokens = torch.randn(_TOKENS, _HIDDEN, device="npu").to(torch.bfloat16)
    scores = torch.rand(_TOKENS, experts, device="npu")
    chosen = scores.topk(min(_CHOICES, experts), dim=-1)[1]
    weights = torch.rand(chosen.shape, dtype=torch.float32, device="npu")
    sent = _sent_to(torch, chosen, number, count)
    expected = (tokens.double() * weights.double().sum(dim=1, keepdim=True)).cpu()
    differences = {}
    for mode, through in _MODES.items():
        combined, counts = through(torch, count, tokens, chosen, weights)
        if counts not in (sent, list(accumulate(sent))):  # older releases count on from expert to expert
            raise ProbeFailedError(
                f"{mode}: the experts of rank {number} got {counts} tokens, {sent} were sent"
            )
        differences[mode] = _difference(combined.double().cpu(), expected)
        if not differences[mode] < _TOLERANCES[mode]:
            raise ProbeFailedError(
                f"{mode}: combined tokens differ from the weighted input by {differences[mode]:.2e}"
            )
        torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    say(**differences)


def _normal(torch: Any, count: int, tokens: Any, chosen: Any, weights: Any) -> tuple[Any, list[int]]:
    """Through the kernels of prefill."""
    from deep_ep import Buffer

    group = torch.distributed.group.WORLD
    buffer = Buffer(group, _NORMAL_BYTES, 0, low_latency_mode=False, num_qps_per_rank=1)
    per_rank, per_node, per_expert, in_rank, _ = buffer.get_dispatch_layout(chosen, _EXPERTS_A_RANK * count)
    received, _, _, counts, handle, _ = buffer.dispatch(
        tokens,
        topk_idx=chosen,
        topk_weights=weights,
        num_tokens_per_rank=per_rank,
        num_tokens_per_rdma_rank=per_node,
        is_token_in_rank=in_rank,
        num_tokens_per_expert=per_expert,
        async_finish=False,
    )
    combined, _, _ = buffer.combine(received, handle, async_finish=False)
    return combined, [int(one) for one in counts]


def _low_latency(torch: Any, count: int, tokens: Any, chosen: Any, weights: Any) -> tuple[Any, list[int]]:
    """Through the kernels of decode."""
    from deep_ep import Buffer

    experts = _EXPERTS_A_RANK * count
    size = Buffer.get_low_latency_rdma_size_hint(_TOKENS, _HIDDEN, count, experts)
    group = torch.distributed.group.WORLD
    buffer = Buffer(group, num_rdma_bytes=size, low_latency_mode=True, num_qps_per_rank=_EXPERTS_A_RANK)
    received, counts, handle, _, _ = buffer.low_latency_dispatch(
        x=tokens,
        topk_idx=chosen,
        num_max_dispatch_tokens_per_rank=_TOKENS,
        num_experts=experts,
        use_fp8=False,
        async_finish=False,
        return_recv_hook=False,
        **_weights_for(buffer.low_latency_dispatch, weights),
    )
    combined, _, _ = buffer.low_latency_combine(
        x=received, topk_idx=chosen, topk_weights=weights, handle=handle, async_finish=False
    )
    return combined, [int(one) for one in counts.cpu()[:_EXPERTS_A_RANK]]


def _weights_for(dispatch: Callable[..., Any], weights: Any) -> Mapping[str, Any]:
    """Releases differ: some take the weights when they dispatch already, SGLang 0.5.6's does not give them."""
    return {"topk_weights": weights} if "topk_weights" in inspect.signature(dispatch).parameters else {}


_MODES: Mapping[str, Callable[..., tuple[Any, list[int]]]] = {"normal": _normal, "low-latency": _low_latency}


def _sent_to(torch: Any, chosen: Any, number: int, count: int) -> list[int]:
    """Return how many tokens all ranks together send to each expert of this one."""
    everyone = torch.empty((count, *chosen.shape), dtype=chosen.dtype, device="npu")
    torch.distributed.all_gather_into_tensor(everyone, chosen.contiguous())
    held = everyone.cpu()
    first = number * _EXPERTS_A_RANK
    return [int((held == expert).sum()) for expert in range(first, first + _EXPERTS_A_RANK)]


def _difference(found: Any, expected: Any) -> float:
    """One minus the cosine-like likeness of two tensors, 0 for equal ones; what is not a number differs wholly."""
    value = float(1 - 2 * (found * expected).sum() / (found * found + expected * expected).sum())
    return value if value == value else 1.0  # noqa: PLR0124 - the test for a NaN
