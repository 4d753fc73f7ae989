"""sgl-kernel-npu: the operators that SGLang calls are registered, and the smallest one computes."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError
from .device import torch_on_npu

_CALLED = ("batch_matmul_transpose", "build_tree_kernel_efficient", "cache_loc_update", "mla_preprocess")
"""`torch.ops.npu.*` names in sglang 0.5.6.post2's hardware_backend/npu and speculative folders."""


def run(context: Context) -> Outcome:
    """Load, look for the operators, add two tensors."""
    torch = torch_on_npu(context)
    before = _operators(torch)
    context.doing("import sgl_kernel_npu")
    import sgl_kernel_npu  # noqa: F401 - importing it is the probe

    added = sorted(_operators(torch) - before)
    missing = [name for name in _CALLED if not hasattr(torch.ops.npu, name)]
    if missing:
        raise ProbeFailedError(f"operators that SGLang calls are not registered: {', '.join(missing)}")
    if hasattr(torch.ops.npu, "helloworld"):
        context.doing("npu::helloworld")
        one, other = (
            torch.rand(8, 2048, generator=torch.Generator().manual_seed(seed)).half() for seed in (7, 8)
        )
        if not torch.allclose(torch.ops.npu.helloworld(one.npu(), other.npu()).cpu(), one + other, atol=1e-3):
            raise ProbeFailedError(
                "npu::helloworld does not add: the wheel may be for the other chip (A2, A3)"
            )
    return Outcome(
        evidence=f"{len(added)} operators registered, {len(_CALLED)} that SGLang calls among them",
        figures={"operators": added},
    )


def _operators(torch: object) -> set[str]:
    return {name for name in torch._C._dispatch_get_all_op_names() if name.startswith("npu::")}  # type: ignore[attr-defined]
