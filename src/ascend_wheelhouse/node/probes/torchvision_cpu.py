"""torchvision's compiled part loads and one of its C++ operators gives the known answer."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError


def run(context: Context) -> Outcome:
    """Suppress overlapping boxes."""
    context.doing("import torchvision")
    import torch

    try:
        import torchvision
    except RuntimeError as error:
        raise ProbeFailedError(
            f"{error}: torchvision's compiled part (_C.so) does not load beside this torch"
        ) from error
    context.doing("torchvision::nms")
    boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]], dtype=torch.float32)
    kept = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist()
    if kept != [0, 2]:
        raise ProbeFailedError(f"nms keeps boxes {kept}, not [0, 2]")
    operators = sum(name.startswith("torchvision::") for name in torch._C._dispatch_get_all_op_names())
    return Outcome(
        evidence=f"torchvision {torchvision.__version__}: nms; {operators} operators",
        figures={"operators": operators},
    )
