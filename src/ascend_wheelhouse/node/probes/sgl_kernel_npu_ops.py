"""sgl-kernel-npu: the operators that SGLang calls are there, and compute what torch on the CPU does.

Schemas are those of csrc/pytorch_extensions.cpp at 00fbd13; shapes follow SGLang 0.5.6.post2, which calls them in its
attention (`batch_matmul_transpose`: DeepSeek's values after latent attention), in speculative decoding
(`build_tree_kernel_efficient`, `cache_loc_update`) and in routing (`l1_norm`). `mla_preprocess` is looked for and not
computed: its weights come in a layout of the chip's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .api import Context, Outcome, ProbeFailedError
from .device import compare, torch_on_npu

_CALLED = ("batch_matmul_transpose", "build_tree_kernel_efficient", "cache_loc_update", "mla_preprocess")
"""`torch.ops.npu.*` names in sglang 0.5.6.post2's hardware_backend/npu and speculative folders."""

_FULL_MASK = 0


def run(context: Context) -> Outcome:
    """Load, look for the operators, and have each compute."""
    torch = torch_on_npu(context)
    before = _operators(torch)
    context.doing("import sgl_kernel_npu")
    import sgl_kernel_npu  # noqa: F401 - importing it is the probe

    added = sorted(_operators(torch) - before)
    missing = [name for name in _CALLED if not hasattr(torch.ops.npu, name)]
    if missing:
        raise ProbeFailedError(f"operators that SGLang calls are not registered: {', '.join(missing)}")
    figures: dict[str, Any] = {"operators": added}
    computed = [name for name in CHECKS if name == "l1_norm" or hasattr(torch.ops.npu, name)]
    for name in computed:
        context.doing(name)
        figures[name] = CHECKS[name](torch)
    return Outcome(
        evidence=f"{len(added)} operators registered; {', '.join(computed)} agree with the CPU",
        figures=figures,
    )


def _operators(torch: Any) -> set[str]:
    return {name for name in torch._C._dispatch_get_all_op_names() if name.startswith("npu::")}


def _hello(torch: Any) -> float:
    """The package's own first operator: a wheel for the other chip fails here."""
    source = torch.Generator().manual_seed(7)
    one, other = (torch.rand(8, 2048, generator=source).half() for _ in range(2))
    found = torch.ops.npu.helloworld(one.npu(), other.npu())
    return _held("helloworld", found, one.double() + other.double(), "float16")


def _values(torch: Any) -> float:
    """Tokens by heads by latent width, each head with a matrix of its own."""
    source = torch.Generator().manual_seed(11)
    worst = 0.0
    for kind in ("float16", "bfloat16"):
        latent = torch.randn(36, 16, 512, generator=source).to(getattr(torch, kind))
        matrices = torch.randn(16, 512, 128, generator=source).to(getattr(torch, kind))
        found = torch.zeros(36, 16, 128, dtype=latent.dtype).npu()
        torch.ops.npu.batch_matmul_transpose(latent.npu(), matrices.npu(), found)
        expected = torch.einsum("tnk,nkv->tnv", latent.double(), matrices.double())
        worst = max(worst, _held("batch_matmul_transpose", found, expected, kind))
    return worst


def _requests(torch: Any) -> tuple[Any, Any, Any, Any]:
    """Return the slots of three requests, which rows are asked for, and from where to where."""
    slots = torch.arange(8 * 64, dtype=torch.int32).reshape(8, 64) * 3 + 1
    rows = torch.tensor([5, 0, 2], dtype=torch.int64)
    start = torch.tensor([3, 0, 40], dtype=torch.int64)
    return slots, rows, start, start + torch.tensor([4, 4, 4])


def _read_slots(torch: Any) -> int:
    """Speculative decoding reads the slots of the tokens it has drafted."""
    slots, rows, start, end = _requests(torch)
    found = torch.zeros(12, dtype=torch.int32).npu()
    torch.ops.npu.cache_loc_update(rows.npu(), slots.npu(), start.npu(), end.npu(), found)
    pieces = zip(rows.tolist(), start.tolist(), end.tolist(), strict=True)
    return _same("cache_loc_update", found, torch.cat([slots[row, one:last] for row, one, last in pieces]))


def _write_slots(torch: Any) -> int:
    """The same rows, written."""
    slots, rows, start, end = _requests(torch)
    fresh = torch.arange(9000, 9012, dtype=torch.int32)
    expected = slots.clone()
    for index, row in enumerate(rows.tolist()):
        expected[row, int(start[index]) : int(end[index])] = fresh[4 * index : 4 * index + 4]
    found = slots.npu()
    torch.ops.npu.cache_loc_assign(rows.npu(), found, start.npu(), end.npu(), fresh.npu())
    return _same("cache_loc_assign", found, expected)


def _tree(torch: Any) -> int:
    """Two requests whose drafts are the tree 0 -> (1 -> 3, 2 -> 4), two choices deep and two wide."""
    width, depth, drafts, lengths = 2, 2, 5, [7, 12]
    parents = torch.tensor([[-1, 0, 1]] * 2, dtype=torch.int64)
    selected = torch.tensor([[0, 1, 2, 4]] * 2, dtype=torch.int64)
    mask = torch.ones(sum(lengths) * drafts + drafts * drafts * 2, dtype=torch.bool).npu()
    places = torch.zeros(2 * drafts, dtype=torch.int64).npu()
    index, child, sibling = (torch.full((2, drafts), -1, dtype=torch.int64).npu() for _ in range(3))
    torch.ops.npu.build_tree_kernel_efficient(
        *(parents.npu(), selected.npu(), torch.tensor(lengths, dtype=torch.int64).npu(), mask, places),
        *(index, child, sibling, width, depth, drafts, _FULL_MASK),
    )
    known = {
        "positions": (places, [length + level for length in lengths for level in (0, 1, 1, 2, 2)]),
        "index": (index, [list(range(drafts)), list(range(drafts, 2 * drafts))]),
        "next token": (child, [[1, 3, 4, -1, -1]] * 2),
        "next sibling": (sibling, [[-1, 2, -1, -1, -1]] * 2),
    }
    for what, (found, expected) in known.items():
        _same(f"build_tree_kernel_efficient: {what}", found, torch.tensor(expected))
    return 0


def _weights(torch: Any) -> float:
    """Router weights divided by their sum; a triton kernel of the package."""
    from sgl_kernel_npu.norm.l1_norm import l1_norm

    weights = torch.rand(64, 8, generator=torch.Generator().manual_seed(13)) + 0.1
    return _held("l1_norm", l1_norm(weights.npu()), weights.double() / weights.double().sum(1, keepdim=True))


def _held(name: str, found: Any, expected: Any, kind: str = "float32") -> float:
    try:
        return compare(found, expected, kind)
    except ProbeFailedError as error:
        raise ProbeFailedError(
            f"{name}: {error}: the wheel may be for the other chip (A2, A3) or CANN"
        ) from None


def _same(name: str, found: Any, expected: Any) -> int:
    wrong = int((found.cpu() != expected.to(found.dtype)).sum())
    if wrong:
        raise ProbeFailedError(f"{name}: {wrong} of {expected.numel()} numbers are wrong")
    return wrong


CHECKS: Mapping[str, Callable[[Any], float]] = {
    "helloworld": _hello,
    "batch_matmul_transpose": _values,
    "cache_loc_update": _read_slots,
    "cache_loc_assign": _write_slots,
    "build_tree_kernel_efficient": _tree,
    "l1_norm": _weights,
}
"""What computes, by the operator's name; those that a release lacks and SGLang does not call are left out."""
