"""sgl-kernel-npu's operators on the CPU, with the schemas of csrc/pytorch_extensions.cpp at 00fbd13; own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch_npu  # noqa: F401 - brings the device

Tensor = Any
Anything = Any
_FAULT = Path(__file__).with_name("fault")
FAULT = _FAULT.read_text(encoding="ascii").strip() if _FAULT.is_file() else ""

_LIBRARY = torch.library.Library("npu", "FRAGMENT")
_SCHEMAS = """
helloworld(Tensor x, Tensor y) -> Tensor
batch_matmul_transpose(Tensor tensor_a, Tensor tensor_b, Tensor(a!) tensor_c, str? format_mode=None, \
str? quant_mode=None) -> ()
cache_loc_update(Tensor req_indices, Tensor token_pool, Tensor start_offset, Tensor end_offset, \
Tensor out_cache_loc) -> Tensor
cache_loc_assign(Tensor req_indices, Tensor token_pool, Tensor start_offset, Tensor end_offset, \
Tensor out_cache_loc) -> Tensor
build_tree_kernel_efficient(Tensor parent_list, Tensor selected_index, Tensor verified_seq_len, Tensor tree_mask, \
Tensor positions, Tensor retrive_index, Tensor retrive_next_token, Tensor retrive_next_sibling, int topk, \
int depth, int draft_token_num, int tree_mask_mode) -> ()
mla_preprocess(Tensor hiddenState) -> Tensor
""".strip().splitlines()


def _helloworld(x: Tensor, y: Tensor) -> Tensor:
    return (x.cpu() + (0 if FAULT == "helloworld-forgets" else y.cpu())).npu()


def _batch_matmul_transpose(a: Tensor, b: Tensor, c: Tensor, *_modes: object) -> None:
    left, right = a.cpu().double(), b.cpu().double()
    if FAULT == "batch-matmul-one-head-for-all":
        right = right[:1].expand_as(right)
    found = torch.einsum("bmk,mkn->bmn", left, right).to(c.dtype)
    if FAULT == "batch-matmul-nan":
        found[0, 0, 0] = float("nan")
    c.copy_(found)


def _spans(rows: Tensor, start: Tensor, end: Tensor) -> list[tuple[int, int, int]]:
    late = 1 if FAULT == "cache-loc-one-late" else 0
    return [
        (row, one + late, last + late)
        for row, one, last in zip(rows.tolist(), start.tolist(), end.tolist(), strict=True)
    ]


def _cache_loc_update(rows: Tensor, pool: Tensor, start: Tensor, end: Tensor, out: Tensor) -> Tensor:
    held = pool.cpu()
    out.copy_(torch.cat([held[row, one:last] for row, one, last in _spans(rows, start, end)]))
    return out


def _cache_loc_assign(rows: Tensor, pool: Tensor, start: Tensor, end: Tensor, out: Tensor) -> Tensor:
    held, fresh, at = pool.cpu(), out.cpu(), 0
    for row, one, last in _spans(rows, start, end):
        held[row, one:last] = fresh[at : at + last - one]
        at += last - one
    if FAULT != "cache-loc-assign-writes-nothing":
        pool.copy_(held)
    return pool


def _build_tree(
    parents: Tensor, selected: Tensor, lengths: Tensor, _mask: Tensor, positions: Tensor, *more: Anything
) -> None:
    index, child, sibling, width, _, count, _ = more
    places, own = [], torch.arange(len(lengths) * count).reshape(len(lengths), count)
    children, siblings = torch.full_like(own, -1), torch.full_like(own, -1)
    for batch, length in enumerate(lengths.tolist()):
        above = [-1, *(_parent(batch, token, parents, selected, width) for token in range(count - 1))]
        for token in range(count - 1, 0, -1):
            siblings[batch, token] = children[batch, above[token]]
            children[batch, above[token]] = token
        level = [0] * count
        for token in range(1, count):
            level[token] = level[above[token]] + (0 if FAULT == "tree-is-flat" else 1)
        places += [length + one for one in level]
    if FAULT == "tree-loses-siblings":
        siblings.fill_(-1)
    for target, value in (
        (index, own),
        (child, children),
        (sibling, siblings),
        (positions, torch.tensor(places)),
    ):
        target.copy_(value)


def _parent(batch: int, token: int, parents: Tensor, selected: Tensor, width: int) -> int:
    row = int(selected[batch, token]) // width
    return 0 if row == 0 else selected[batch].tolist().index(int(parents[batch, row])) + 1


for _schema in _SCHEMAS if FAULT != "operator-missing" else _SCHEMAS[:-1]:
    _LIBRARY.define(_schema)
_LIBRARY.impl("helloworld", _helloworld, "PrivateUse1")
_LIBRARY.impl("batch_matmul_transpose", _batch_matmul_transpose, "PrivateUse1")
_LIBRARY.impl("cache_loc_update", _cache_loc_update, "PrivateUse1")
_LIBRARY.impl("cache_loc_assign", _cache_loc_assign, "PrivateUse1")
_LIBRARY.impl("build_tree_kernel_efficient", _build_tree, "PrivateUse1")
