"""With stand-in CANN libraries: torch_npu imports, registers its operators and refuses a device cleanly."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError

_FEWEST_OPERATORS = 200
"""2.8.0.post2 registers 335, 2.13.0 registers 425."""


def run(context: Context) -> Outcome:
    """Import for real, count, and ask for a device that is not there."""
    context.doing("import torch and torch_npu over stand-in libraries")
    import torch
    import torch_npu

    version = str(torch_npu.__version__)
    wanted = context.cell.get("torch_npu", version)
    if version.partition("+")[0] != wanted:
        raise ProbeFailedError(f"torch_npu says {version}, the cell is {wanted}")
    operators = sum(name.startswith("npu::") for name in torch._C._dispatch_get_all_op_names())
    if operators < _FEWEST_OPERATORS:
        raise ProbeFailedError(f"only {operators} npu:: operators are registered")
    context.doing("device count")
    if torch_npu.npu.is_available() or torch_npu.npu.device_count():
        raise ProbeFailedError("stand-in libraries must offer no device, and torch_npu sees one")
    context.doing("use of a device that is not there")
    try:
        torch.ones(2, device="npu")
    except RuntimeError as error:
        if "aclInit" not in str(error):
            raise ProbeFailedError(f"a device fails with another error than aclInit's: {error}") from error
    else:
        raise ProbeFailedError("a tensor was made on a device that is not there")
    return Outcome(
        evidence=f"torch_npu {version}: {operators} npu:: operators, a device ends in a clean aclInit error",
        figures={"operators": operators},
    )
