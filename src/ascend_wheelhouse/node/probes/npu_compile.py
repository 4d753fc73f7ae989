"""`torch.compile` with torchair's backend, where the cell's torch_npu carries it."""

from __future__ import annotations

from typing import Any

from .api import Context, Outcome, ProbeFailedError
from .device import compare, torch_on_npu


def run(context: Context) -> Outcome:
    """Compile a small function and compare."""
    torch = torch_on_npu(context)
    context.doing("import torchair")
    try:
        import torchair
    except ImportError:
        try:
            from torch_npu.dynamo import torchair
        except ImportError as error:
            raise ProbeFailedError(f"this torch_npu was built without torchair: {error}") from error
    context.doing("torch.compile")
    source = torch.Generator().manual_seed(4)
    left, right = (torch.randn(256, 256, generator=source) for _ in range(2))

    def chain(one: Any, other: Any) -> Any:
        return torch.nn.functional.silu(one @ other) + one

    compiled = torch.compile(chain, backend=torchair.get_npu_backend(), dynamic=False, fullgraph=True)
    distance = compare(compiled(left.npu(), right.npu()), chain(left.double(), right.double()), "float32")
    return Outcome(evidence=f"torchair compiles a fused chain, relative error {distance:.1e}")
