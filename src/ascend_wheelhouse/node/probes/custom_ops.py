"""custom_ops: the two operators of DeepSeek-V3.2's sparse attention compute what torch on the CPU does.

Calls are those of SGLang 0.5.6.post2 (srt/layers/attention/nsa/nsa_indexer.py and its Ascend attention backend), for
one token that is decoded: queries as tokens, keys in pages. Shapes and meaning follow sgl-kernel-npu,
csrc/dsa/examples at 095432a: the indexer scores each key by the weighted sum over heads of max(0, q.k) and gives the
best 2048; the attention is softmax attention over the keys that it is given.
"""

from __future__ import annotations

from typing import Any

from .api import Context, Outcome, ProbeFailedError
from .device import compare, torch_on_npu

_CALLED = ("npu_lightning_indexer", "npu_sparse_flash_attention")
"""`torch.ops.custom.*` names in sglang 0.5.6.post2 (attention backend and indexer of DeepSeek-V3.2)."""

_KEYS, _PAGE, _BEST = 4096, 128, 2048
_INDEX_HEADS, _INDEX_WIDTH = 64, 128
_HEADS, _LATENT, _ROTARY = 128, 512, 64
_SLACK = 1e-2
"""How far below the last score that belongs in, relative to the best one, a chosen key's may lie: bfloat16 rounds."""


def run(context: Context) -> Outcome:
    """Import, look, choose keys and attend to them."""
    torch = torch_on_npu(context)
    context.doing("import custom_ops")
    import custom_ops  # noqa: F401 - importing it is the probe

    found = sorted(name for name in torch._C._dispatch_get_all_op_names() if name.startswith("custom::"))
    missing = [name for name in _CALLED if not hasattr(torch.ops.custom, name)]
    if missing:
        raise ProbeFailedError(
            f"not registered, though SGLang calls them: {', '.join(missing)}: install the CustomOps run "
            "file of this chip into CANN and the wheel of the same release"
        )
    source = torch.Generator().manual_seed(17)
    pages = torch.randperm(_KEYS // _PAGE, generator=source).to(torch.int32).reshape(1, -1)
    context.doing(_CALLED[0])
    chosen = _choose(torch, source, pages)
    context.doing(_CALLED[1])
    error = _attend(torch, source, pages, chosen)
    return Outcome(
        evidence=f"{len(found)} custom:: operators registered; {_BEST} of {_KEYS} keys are chosen and attended to "
        f"as on the CPU, relative error {error:.1e}",
        figures={"operators": found, "error": error},
    )


def _noise(torch: Any, source: Any, *shape: int) -> Any:
    return torch.randn(*shape, generator=source).to(torch.bfloat16)


def _in_order(cache: Any, pages: Any) -> Any:
    """Return the keys of a paged cache in the order of their tokens."""
    return cache[pages[0].long()].reshape(_KEYS, cache.shape[-1])


def _lengths(torch: Any) -> tuple[Any, Any]:
    return torch.tensor([1], dtype=torch.int32).npu(), torch.tensor([_KEYS], dtype=torch.int32).npu()


def _choose(torch: Any, source: Any, pages: Any) -> Any:
    """Return the keys that the indexer gives for one token, held against the scores of all."""
    query = _noise(torch, source, 1, _INDEX_HEADS, _INDEX_WIDTH)
    weights = _noise(torch, source, 1, _INDEX_HEADS)
    cache = _noise(torch, source, _KEYS // _PAGE, _PAGE, 1, _INDEX_WIDTH)
    asked, held = _lengths(torch)
    found = torch.ops.custom.npu_lightning_indexer(
        query=query.npu(),
        key=cache.npu(),
        weights=weights.npu(),
        actual_seq_lengths_query=asked,
        actual_seq_lengths_key=held,
        block_table=pages.npu(),
        layout_query="TND",
        layout_key="PA_BSND",
        sparse_count=_BEST,
        sparse_mode=3,
    )
    scores = (query[0].double() @ _in_order(cache, pages).double().T).clamp(min=0)
    _hold_choice(found.cpu().reshape(-1).long(), (weights[0].double()[:, None] * scores).sum(0))
    return found.reshape(1, 1, _BEST)


def _hold_choice(chosen: Any, scores: Any) -> None:
    """Raise unless the keys are all different, all there, and none is clearly worse than one left out."""
    inside = chosen[(chosen >= 0) & (chosen < _KEYS)]
    if chosen.numel() != _BEST or len(set(inside.tolist())) != _BEST:
        raise ProbeFailedError(
            f"npu_lightning_indexer: {len(set(inside.tolist()))} different keys of the {_BEST} asked for"
        )
    last = scores.sort(descending=True).values[_BEST - 1]
    worse = int((scores[inside] < last - _SLACK * scores.abs().max()).sum())
    if worse:
        raise ProbeFailedError(
            f"npu_lightning_indexer: {worse} of {_BEST} chosen keys are not among the best"
        )


def _attend(torch: Any, source: Any, pages: Any, chosen: Any) -> float:
    """Attend to the chosen keys, and return the error against float64."""
    latent, rotary = (_noise(torch, source, 1, _HEADS, width) for width in (_LATENT, _ROTARY))
    keys, turned = (_noise(torch, source, _KEYS // _PAGE, _PAGE, 1, width) for width in (_LATENT, _ROTARY))
    scale = (_LATENT + _ROTARY) ** -0.5
    asked, held = _lengths(torch)
    found = torch.ops.custom.npu_sparse_flash_attention(
        query=latent.npu(),
        key=keys.npu(),
        value=keys.npu(),
        query_rope=rotary.npu(),
        key_rope=turned.npu(),
        sparse_indices=chosen,
        scale_value=scale,
        actual_seq_lengths_query=asked,
        actual_seq_lengths_kv=held,
        block_table=pages.npu(),
        sparse_block_size=1,
        layout_query="TND",
        layout_kv="PA_BSND",
        sparse_mode=3,
    )
    wanted = chosen.cpu().reshape(-1).long()
    value, place = (_in_order(cache, pages)[wanted].double() for cache in (keys, turned))
    scores = (latent[0].double() @ value.T + rotary[0].double() @ place.T) * scale
    try:
        return compare(found.reshape(_HEADS, _LATENT), scores.softmax(-1) @ value, "bfloat16")
    except ProbeFailedError as error:
        raise ProbeFailedError(f"npu_sparse_flash_attention: {error}") from None
