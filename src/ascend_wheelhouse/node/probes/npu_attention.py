"""The fused attention kernel (npu_fusion_attention) against plain float64 attention on the CPU."""

from __future__ import annotations

from .api import Context, Outcome
from .device import compare, torch_on_npu

_BATCH, _HEADS, _LENGTH, _WIDTH = 2, 8, 256, 128


def run(context: Context) -> Outcome:
    """Attend with and without a causal mask."""
    torch = torch_on_npu(context)
    import torch_npu

    source = torch.Generator().manual_seed(2)
    shape = (_BATCH, _HEADS, _LENGTH, _WIDTH)
    query, key, value = (torch.randn(shape, generator=source).to(torch.bfloat16) for _ in range(3))
    scale = _WIDTH**-0.5
    later = torch.ones(_LENGTH, _LENGTH, dtype=torch.bool).triu(1)
    errors = {}
    for name, mask in (("plain", None), ("causal", later)):
        context.doing(f"npu_fusion_attention, {name}")
        scores = query.double() @ key.double().transpose(-1, -2) * scale
        expected = (scores if mask is None else scores.masked_fill(mask, float("-inf"))).softmax(
            -1
        ) @ value.double()
        masked = {} if mask is None else {"atten_mask": mask.npu()}
        found = torch_npu.npu_fusion_attention(
            query.npu(), key.npu(), value.npu(), head_num=_HEADS, input_layout="BNSD", scale=scale, **masked
        )[0]
        errors[name] = compare(found, expected, "bfloat16")
    return Outcome(
        evidence=f"plain and causal agree with the CPU, worst relative error {max(errors.values()):.1e}",
        figures={"errors": errors},
    )
