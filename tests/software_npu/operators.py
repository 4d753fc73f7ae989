"""Run torch's operators on the NPU and on the CPU and print where they differ: for an environment with torch_npu."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as nn
import torch_npu

TOLERANCES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
SOURCE = torch.Generator().manual_seed(3)

Tensor = Any
Kind = Any
Case = tuple[str, Callable[..., Tensor], tuple[Tensor, ...], float]


def real(*shape: int, kind: Kind = torch.float32) -> Tensor:
    """Return normal numbers of a type."""
    return torch.randn(*shape, generator=SOURCE).to(kind)


def whole(*shape: int, low: int, high: int, kind: Kind = torch.int64) -> Tensor:
    """Return whole numbers from `low` to below `high`."""
    return torch.randint(low, high, shape, generator=SOURCE).to(kind)


ON_TWO: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + 2 * b,
    "broadcast": lambda a, b: a + b[:, :1] + b[0],
    "transposed": lambda a, b: a.t() + b.t(),
    "slices": lambda a, b: a[1:4, ::2] * b[1:4, 1::2][:, :1],
    "div": lambda a, b: a / (b.abs() + 1),
    "matmul": lambda a, b: a @ b.t(),
    "matmul by a vector": lambda a, b: a @ b[0],
    "linear": lambda a, b: nn.linear(a, b[:3], a[:3, 0]),
    "layer_norm": lambda a, b: nn.layer_norm(a, (7,), b[0], b[1]),
    "maximum": torch.maximum,
    "where": lambda a, b: torch.where(a > b, a, b),
    "cat": lambda a, b: torch.cat([a, b[:2]], 0),
    "stack": lambda a, b: torch.stack([a, b], 1),
    "in place": lambda a, b: a.clone().mul_(b).add_(1).sub_(b),
    "index_put": lambda a, b: a.clone().index_put_((torch.tensor([3, 1], device=a.device),), b[:2]),
}
ON_ONE: dict[str, Callable[[Tensor], Tensor]] = {
    "pow": lambda a: a.abs() ** 2.5,
    "exp": torch.exp,
    "rsqrt": lambda a: torch.rsqrt(a.abs() + 1),
    "silu": nn.silu,
    "softmax": lambda a: torch.softmax(a, -1),
    "softmax of columns": lambda a: torch.softmax(a, 0),
    "log_softmax": lambda a: torch.log_softmax(a, -1),
    "sum": lambda a: a.sum(),
    "sum of rows": lambda a: a.sum(1, keepdim=True),
    "mean": lambda a: a.mean((0,)),
    "amax": lambda a: a.amax(1),
    "max and its place": lambda a: torch.stack([a.max(1)[0].float(), a.max(1)[1].float()]),
    "argmax": lambda a: a.argmax(1),
    "var": lambda a: a.float().var(1),
    "norm": lambda a: torch.linalg.vector_norm(a, dim=1),
    "cumsum": lambda a: a.float().cumsum(1),
    "sort": lambda a: a.sort(1, descending=True)[0],
    "topk": lambda a: a.topk(3, 1)[0],
    "clamp": lambda a: a.clamp(-0.5, 0.5),
    "masked_fill": lambda a: a.masked_fill(a > 0, -1.5),
    "masked_select": lambda a: a[a > 0],
    "tril": lambda a: a.tril(1),
    "repeat": lambda a: a.repeat(2, 3),
    "pad": lambda a: nn.pad(a, (1, 2, 0, 1), value=3),
    "flip": lambda a: a.flip(0),
    "cast": lambda a: (a * 10).to(torch.float32).to(torch.int32),
}
PICKING: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "embedding": lambda a, i: nn.embedding(i, a),
    "index_select": lambda a, i: a.index_select(1, i),
    "index": lambda a, i: a[i, i],
    "index of columns": lambda a, i: a[:, i - 5],
    "gather": lambda a, i: a.gather(1, i.expand(5, 4)),
    "scatter": lambda a, i: a.scatter(1, i[None, :1].expand(5, 1), a[:, :1]),
}
ON_WHOLE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "floor_divide": lambda a, b: a // b,
    "remainder": lambda a, b: a % b,
    "compare": lambda a, b: (a > b) | (a == b),
    "div": lambda a, b: a / b,
    "sum": lambda a, _b: a.sum(0),
    "max": lambda a, _b: a.max(),
}
OTHERS: dict[str, Callable[[Tensor], Tensor]] = {
    "large whole numbers": lambda a: torch.tensor([2**53, 2**62, -(2**60)], device=a.device) + 1,
    "where on large ones": lambda a: torch.where(
        torch.tensor([True, False], device=a.device), torch.tensor([2**53 + 1, 3], device=a.device), 2**53 + 3
    ),
    "not and any": lambda a: (~(a > 0)).any(),
    "all": lambda a: (a > 0).all(),
    "nonzero": lambda a: (a > 0).nonzero(),
    "arange": lambda a: torch.arange(3, 17, 2, device=a.device),
    "arange of fractions": lambda a: torch.arange(0, 1, 0.125, device=a.device),
    "full": lambda a: torch.full((3,), 2.5, device=a.device),
    "eye": lambda a: torch.eye(3, device=a.device),
    "permuted copy": lambda a: a.reshape(2, 3, 4).permute(2, 0, 1).contiguous(),
    "expanded copy": lambda a: a[:, None].expand(4, 5, 6).clone(),
    "isfinite": lambda a: torch.isfinite(a / (a - a)),
    "einsum": lambda a: torch.einsum("ij,kj->ik", a, a),
    "split": lambda a: torch.cat([part * 2 for part in a.split([2, 4], 1)], 1),
    "sum of nothing": lambda a: a[:0].sum(),
    "from one number": lambda a: 1 - a + 2**a,
}


def cases() -> Iterator[Case]:
    """Yield every case: its name, the function, its operands on the CPU, the tolerance."""
    for kind, tolerance in TOLERANCES.items():
        first, second = real(5, 7, kind=kind), real(5, 7, kind=kind)
        for name, two in ON_TWO.items():
            yield f"{name} {kind}", two, (first, second), tolerance
        for name, one in ON_ONE.items():
            yield f"{name} {kind}", one, (first,), tolerance
        for name, two in PICKING.items():
            yield f"{name} {kind}", two, (first, whole(4, low=0, high=5)), tolerance
        yield f"bmm {kind}", torch.bmm, (real(3, 4, 5, kind=kind), real(3, 5, 2, kind=kind)), tolerance
        heads = tuple(real(1, 2, 5, 8, kind=kind) for _ in range(3))
        yield f"attention {kind}", nn.scaled_dot_product_attention, heads, tolerance * 2
    for kind in WHOLE:
        pair = (
            whole(4, 6, low=0 if kind is torch.uint8 else -9, high=10, kind=kind),
            whole(4, 6, low=1, high=7, kind=kind),
        )
        for name, two in ON_WHOLE.items():
            yield f"{name} {kind}", two, pair, 1e-6
    for name, one in OTHERS.items():
        yield name, one, (real(4, 6),), 1e-5


def difference(wanted: Tensor, found: Tensor, tolerance: float) -> str:
    """Return how the two differ, or an empty text."""
    if wanted.dtype != found.dtype or wanted.shape != found.shape:
        return f"{found.dtype} {tuple(found.shape)} instead of {wanted.dtype} {tuple(wanted.shape)}"
    if not wanted.numel():
        return ""
    largest = max(float(wanted.double().abs().max()), 1e-9)
    error = float((wanted.double() - found.double()).abs().max()) / largest
    return "" if error <= tolerance else f"error {error:.1e}"


def own_operators() -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield operators that only torch_npu has: name, what they should give, what they gave."""
    value, weight = real(4, 8), real(8)
    norm = value * torch.rsqrt(value.pow(2).mean(-1, keepdim=True) + 1e-6) * weight
    yield "npu_rms_norm", norm, torch_npu.npu_rms_norm(value.npu(), weight.npu(), 1e-6)[0].cpu()
    gated = nn.silu(value[:, :4]) * value[:, 4:]
    yield "npu_swiglu", gated, torch_npu.npu_swiglu(value.npu()).cpu()


def main() -> int:
    """Print the differences as one JSON object, by the case's name."""
    found = {}
    number = 0
    for name, function, operands, tolerance in cases():
        number += 1
        try:
            answer = function(*(one.npu() for one in operands)).cpu()
            found[name] = difference(function(*operands), answer, tolerance)
        except RuntimeError as error:
            found[name] = " ".join(str(error).split())[:400]
    for name, wanted, answer in own_operators():
        number += 1
        found[name] = difference(wanted, answer, 1e-4)
    sys.stdout.write(
        f"\n{json.dumps({'cases': number, 'different': {k: v for k, v in found.items() if v}})}\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
