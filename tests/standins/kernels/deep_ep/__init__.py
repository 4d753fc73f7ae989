"""deep_ep's buffer over HCCL's gather: every rank sees every token, and takes what its experts are sent.

Calls and results have the form of python/deep_ep/deep_ep/buffer.py at 00c91f4; the code is this project's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

Tensor = Any
Anything = Any
_FAULT = Path(__file__).with_name("fault")
FAULT = _FAULT.read_text(encoding="ascii").strip() if _FAULT.is_file() else ""


def _everyones(mine: Tensor, count: int) -> Tensor:
    found = torch.empty((count, *mine.shape), dtype=mine.dtype, device=mine.device)
    torch.distributed.all_gather_into_tensor(found, mine.contiguous())
    return found.cpu()


class Buffer:
    """The tokens' way there and back; experts lie on the ranks in order."""

    def __init__(self, group: Anything, *_sizes: int, **_more: object) -> None:
        self.rank, self.count = group.rank(), group.size()

    @staticmethod
    def get_low_latency_rdma_size_hint(tokens: int, hidden: int, ranks: int, _experts: int) -> int:
        """Return how many bytes a buffer takes."""
        return tokens * hidden * ranks * 2

    def get_dispatch_layout(self, chosen: Tensor, experts: int) -> tuple[Any, ...]:
        """Return how many tokens go to each rank and to each expert."""
        self.experts = experts
        per_expert = torch.bincount(chosen.cpu().reshape(-1), minlength=experts)
        home = chosen.cpu() // (experts // self.count)
        here = torch.stack([(home == rank).any(1) for rank in range(self.count)], 1)
        return here.sum(0).npu(), None, per_expert.npu(), here.int().npu(), None

    def dispatch(
        self, tokens: Tensor, *, topk_idx: Tensor, topk_weights: Tensor, **_layout: object
    ) -> tuple[Any, ...]:
        """Send the tokens of prefill."""
        received, counts = self._received(tokens, topk_idx, self.experts)
        if FAULT == "normal-counts-wrong":
            counts[0] += 1
        return received.npu(), None, None, counts, (topk_idx, topk_weights, self.experts), None

    def combine(self, received: Tensor, handle: Anything, *, async_finish: bool) -> tuple[Any, ...]:
        """Take them back, weighted."""
        chosen, weights, experts = handle
        combined = self._combined(received, chosen, weights, experts)
        return (combined.flip(0) if FAULT == "normal-swaps-tokens" else combined), None, async_finish

    def low_latency_dispatch(
        self,
        x: Tensor,
        topk_idx: Tensor,
        num_max_dispatch_tokens_per_rank: int,
        num_experts: int,
        **_more: object,
    ) -> tuple[Any, ...]:
        """Send the tokens of decode."""
        received, counts = self._received(x, topk_idx, num_experts)
        if FAULT == "low-latency-loses-a-token":
            counts[0] -= 1
        return (
            received.npu(),
            torch.tensor(counts).npu(),
            (num_experts, num_max_dispatch_tokens_per_rank),
            None,
            None,
        )

    def low_latency_combine(
        self, *, x: Tensor, topk_idx: Tensor, topk_weights: Tensor, handle: Anything, async_finish: bool
    ) -> tuple[Any, ...]:
        """Take them back, weighted."""
        weights = torch.ones_like(topk_weights) if FAULT == "low-latency-forgets-weights" else topk_weights
        return self._combined(x, topk_idx, weights, handle[0]), None, async_finish

    def _received(self, tokens: Tensor, chosen: Tensor, experts: int) -> tuple[Tensor, list[int]]:
        each = experts // self.count
        everyone, theirs = _everyones(tokens, self.count), _everyones(chosen, self.count)
        rows = [everyone[(theirs == self.rank * each + index).any(-1)] for index in range(each)]
        return torch.cat(rows), [len(one) for one in rows]

    def _combined(self, received: Tensor, chosen: Tensor, weights: Tensor, experts: int) -> Tensor:
        """Each rank gives its experts' rows to all; padded, since ranks hold different numbers of them."""
        theirs, each = _everyones(chosen, self.count), experts // self.count
        most = int(torch.bincount(theirs.reshape(-1) // each, minlength=self.count).max())
        padded = torch.zeros(most, received.shape[1], dtype=received.dtype)
        padded[: received.shape[0]] = received.cpu()
        rows = _everyones(padded.npu(), self.count)
        found = torch.zeros(len(chosen), received.shape[1], dtype=torch.float64)
        mine, held = chosen.cpu(), weights.cpu().double()
        for rank in range(self.count):
            at = 0
            for expert in range(rank * each, (rank + 1) * each):
                sent = (theirs == expert).any(-1)
                offset = at + int(sent[: self.rank].sum())
                for place, token in enumerate(sent[self.rank].nonzero().reshape(-1).tolist()):
                    weight = held[token][mine[token] == expert].sum()
                    found[token] += weight * rows[rank, offset + place].double()
                at += int(sent.sum())
        return found.to(received.dtype).npu()
