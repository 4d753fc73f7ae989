"""The devices of torch_npu: their number, their names against the cell's chip, one operation on each."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError
from .device import torch_on_npu

CHIPS = {"a3": ("Ascend910_93",), "910b": ("Ascend910B",), "950": ("Ascend950",)}
"""How `get_device_name` begins for each chip (torch_npu, NpuVariables.cpp; 950: sgl-project/sgl-kernel-npu#632)."""


def run(context: Context) -> Outcome:
    """Count, name and use every device."""
    torch = torch_on_npu(context)
    count = torch.npu.device_count()
    names = [str(torch.npu.get_device_name(index)) for index in range(count)]
    chip = str(context.cell.get("npu", ""))
    wrong = sorted({name for name in names if chip in CHIPS and not name.startswith(CHIPS[chip])})
    if wrong:
        raise ProbeFailedError(f"the wheelhouse is for {chip}, the devices are {', '.join(wrong)}")
    present = int(context.options.get("devices", count))
    if count != present:
        raise ProbeFailedError(
            f"torch_npu sees {count} devices, {present} are in /dev and not hidden by ASCEND_RT_VISIBLE_DEVICES"
        )
    for index in range(count):
        context.doing(f"an addition on npu:{index}")
        if (torch.ones(8, device=f"npu:{index}") + 1).sum().item() != 16:
            raise ProbeFailedError(f"npu:{index} cannot add")
    return Outcome(
        evidence=f"{count} x {', '.join(sorted(set(names)))}, each adds",
        figures={"count": count, "names": names},
    )
