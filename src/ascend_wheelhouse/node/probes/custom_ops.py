"""custom_ops: the operators of the CustomOps run file are registered under `torch.ops.custom`."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError
from .device import torch_on_npu

_CALLED = ("npu_lightning_indexer", "npu_sparse_flash_attention")
"""`torch.ops.custom.*` names in sglang 0.5.6.post2 (attention backend and indexer of DeepSeek-V3.2)."""


def run(context: Context) -> Outcome:
    """Import and look."""
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
    return Outcome(evidence=f"{len(found)} custom:: operators registered", figures={"operators": found})
