"""torch computes on the CPU: a product with a known answer, a gradient, a tensor that survives the disk."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError


def run(context: Context) -> Outcome:
    """Compute, derive, save and load."""
    context.doing("import torch")
    import torch

    _version(torch.__version__, str(context.cell.get("torch", "")))
    context.doing("matmul")
    left = torch.arange(12, dtype=torch.float64).reshape(3, 4)
    if (left @ left.T)[2, 2].item() != 8**2 + 9**2 + 10**2 + 11**2:
        raise ProbeFailedError("a matrix product is wrong")
    context.doing("autograd")
    point = torch.tensor(3.0, requires_grad=True)
    (point**3).backward()
    if point.grad is None or point.grad.item() != 27:
        raise ProbeFailedError("the gradient of x**3 at 3 is not 27")
    context.doing("save and load")
    path = context.scratch / "tensor.pt"
    torch.save({"left": left}, path)
    if not torch.equal(torch.load(path, weights_only=True)["left"], left):
        raise ProbeFailedError("a saved tensor comes back different")
    operators = len(torch._C._dispatch_get_all_op_names())
    return Outcome(
        evidence=f"torch {torch.__version__}: matmul, autograd, save and load; {operators} operators",
        figures={"operators": operators, "threads": torch.get_num_threads()},
    )


def _version(found: str, wanted: str) -> None:
    if wanted and found.partition("+")[0] != wanted:
        raise ProbeFailedError(f"torch says {found}, the cell is {wanted}")
