"""The fused attention kernel (npu_fusion_attention) against plain float64 attention on the CPU."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError
from .device import compare, torch_on_npu

_BATCH, _HEADS, _LENGTH, _WIDTH = 2, 8, 256, 128


def run(context: Context) -> Outcome:
    """Attend with and without a causal mask on each device."""
    torch = torch_on_npu(context)
    import torch_npu

    source = torch.Generator().manual_seed(2)
    shape = (_BATCH, _HEADS, _LENGTH, _WIDTH)
    query, key, value = (torch.randn(shape, generator=source).to(torch.bfloat16) for _ in range(3))
    scale = _WIDTH**-0.5
    later = torch.ones(_LENGTH, _LENGTH, dtype=torch.bool).triu(1)
    errors: dict[str, float] = {}
    count = torch.npu.device_count()
    for name, mask in (("plain", None), ("causal", later)):
        scores = query.double() @ key.double().transpose(-1, -2) * scale
        expected = (scores if mask is None else scores.masked_fill(mask, float("-inf"))).softmax(
            -1
        ) @ value.double()
        for index in range(count):
            context.doing(f"npu_fusion_attention, {name}, on npu:{index}")
            masked = {} if mask is None else {"atten_mask": mask.to(f"npu:{index}")}
            ours = [matrix.to(f"npu:{index}") for matrix in (query, key, value)]
            with torch.npu.device(index):
                found = torch_npu.npu_fusion_attention(
                    *ours, head_num=_HEADS, input_layout="BNSD", scale=scale, **masked
                )[0]
            try:
                error = compare(found, expected, "bfloat16")
            except ProbeFailedError as fault:
                raise ProbeFailedError(f"npu:{index}, {name}, {fault}") from None
            errors[name] = max(error, errors.get(name, 0.0))
    worst = max(errors.values())
    return Outcome(
        evidence=f"plain and causal agree with the CPU on each of {count} devices, worst relative error {worst:.1e}",
        figures={"devices": count, "errors": errors},
    )
