"""A triton kernel, compiled by BiSheng for this chip, launched and checked against the CPU."""

from __future__ import annotations

import importlib.util
import os
import shutil

from .api import Context, Outcome, ProbeFailedError
from .device import torch_on_npu

_COUNT, _BLOCK = 98432, 1024
_KERNEL = """
import triton
import triton.language as tl


@triton.jit
def add(left, right, out, count, BLOCK: tl.constexpr):
    at = tl.program_id(axis=0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    total = tl.load(left + at, mask=inside) + tl.load(right + at, mask=inside)
    tl.store(out + at, total, mask=inside)
"""


def run(context: Context) -> Outcome:
    """Compile from a file (triton reads the kernel's source) and compare with the CPU."""
    if not shutil.which("bishengir-compile") and not os.environ.get("TRITON_NPU_COMPILER_PATH"):
        raise ProbeFailedError(
            "bishengir-compile is not on the path: install the BiSheng toolkit (in CANN from 8.5 on) and "
            "source its set_env.sh"
        )
    torch = torch_on_npu(context)
    path = context.scratch / "kernel.py"
    path.write_text(_KERNEL, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("verify_kernel", path)
    if spec is None or spec.loader is None:
        raise ProbeFailedError("the kernel's file cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    context.doing("import triton")
    spec.loader.exec_module(module)
    left, right = (torch.rand(_COUNT, generator=torch.Generator().manual_seed(seed)) for seed in (5, 6))
    out = torch.empty(_COUNT, device="npu")
    context.doing("compile and launch")
    module.add[((_COUNT + _BLOCK - 1) // _BLOCK,)](left.npu(), right.npu(), out, _COUNT, BLOCK=_BLOCK)
    torch.npu.synchronize()
    if not torch.equal(out.cpu(), left + right):
        raise ProbeFailedError("the triton kernel's sum differs from the CPU's")
    return Outcome(evidence=f"a triton kernel compiled by BiSheng adds {_COUNT} numbers as the CPU does")
