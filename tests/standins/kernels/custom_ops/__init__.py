"""DeepSeek-V3.2's two operators on the CPU, with the calls of SGLang 0.5.6.post2; the code is this project's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch_npu  # noqa: F401 - brings the device

Tensor = Any
Anything = Any
_FAULT = Path(__file__).with_name("fault")
FAULT = _FAULT.read_text(encoding="ascii").strip() if _FAULT.is_file() else ""

_LIBRARY = torch.library.Library("custom", "DEF")
_LENGTHS = (
    "Tensor? actual_seq_lengths_query=None, Tensor? actual_seq_lengths_{}=None, Tensor? block_table=None, "
)
_LIBRARY.define(
    f"npu_lightning_indexer(Tensor query, Tensor key, Tensor weights, *, {_LENGTHS.format('key')}"
    "str layout_query='BSND', str layout_key='PA_BSND', int sparse_count=2048, int sparse_mode=3) -> Tensor"
)
if FAULT != "operator-missing":
    _LIBRARY.define(
        "npu_sparse_flash_attention(Tensor query, Tensor key, Tensor value, Tensor sparse_indices, float scale_value, "
        f"int sparse_block_size, *, {_LENGTHS.format('kv')}Tensor? query_rope=None, Tensor? key_rope=None, "
        "str layout_query='BSND', str layout_kv='BSND', int sparse_mode=3) -> Tensor"
    )


def _paged(cache: Tensor, table: Tensor) -> Tensor:
    pages = torch.arange(table.shape[1]) if FAULT == "pages-in-storage-order" else table.cpu()[0].long()
    return cache.cpu()[pages].reshape(-1, cache.shape[-1]).double()


def _index(query: Tensor, key: Tensor, weights: Tensor, **given: Anything) -> Tensor:
    scores = (query.cpu()[0].double() @ _paged(key, given["block_table"]).T).clamp(min=0)
    if FAULT == "indexer-forgets-weights":
        summed = scores.sum(0)
    else:
        summed = (weights.cpu()[0].double()[:, None] * scores).sum(0)
    best = summed.topk(given.get("sparse_count", 2048), largest=FAULT != "indexer-takes-the-worst").indices
    if FAULT == "indexer-repeats":
        best = best[:1].expand_as(best)
    return best.to(torch.int32).reshape(1, 1, -1).npu()


def _attend(
    query: Tensor, key: Tensor, value: Tensor, chosen: Tensor, scale: float, _size: int, **given: Anything
) -> Tensor:
    table, wanted = given["block_table"], chosen.cpu().reshape(-1).long()
    keys, values, turned = (_paged(one, table)[wanted] for one in (key, value, given["key_rope"]))
    scores = query.cpu()[0].double() @ keys.T
    if FAULT != "attention-forgets-rotary":
        scores = scores + given["query_rope"].cpu()[0].double() @ turned.T
    found = (scores * (1.0 if FAULT == "attention-forgets-scale" else scale)).softmax(-1) @ values
    return found.to(query.dtype)[None].npu()


_LIBRARY.impl("npu_lightning_indexer", _index, "PrivateUse1")
if FAULT != "operator-missing":
    _LIBRARY.impl("npu_sparse_flash_attention", _attend, "PrivateUse1")
