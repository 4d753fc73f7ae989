"""Without CANN: importing torch_npu fails for that reason and no other, and torch itself stays usable."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError

_CANN_LIBRARIES = ("libhccl", "libascendcl", "libacl", "libge_runner", "libgraph", "libatb", "libascend_hal")


def run(context: Context) -> Outcome:
    """Import torch with auto-loading off (the runner sees to that), then torch_npu."""
    context.doing("import torch with TORCH_DEVICE_BACKEND_AUTOLOAD=0")
    import torch

    if torch.ones(2).sum().item() != 2:
        raise ProbeFailedError("torch does not add up")
    context.doing("import torch_npu")
    try:
        import torch_npu
    except ImportError as error:
        text = str(error)
        if not text.startswith(_CANN_LIBRARIES) or "cannot open shared object file" not in text:
            raise ProbeFailedError(
                f"import torch_npu fails for another reason than missing CANN: {text}"
            ) from error
        return Outcome(evidence=f"fails as it should without CANN: {text}")
    raise ProbeFailedError(
        f"torch_npu {torch_npu.__version__} imports, though there is no CANN on this machine"
    )
