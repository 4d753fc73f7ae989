"""The list of defects that tests put into a sound wheelhouse, and what they share.

Each is a function that spoils a `Shop`, kept with the check and the rule that must report it.
"""

from __future__ import annotations

from collections.abc import Callable

from shop import Shop

Spoil = Callable[[Shop], None]
DEFECTS: list[tuple[str, str, Spoil]] = []


def defect(check: str, rule: str) -> Callable[[Spoil], Spoil]:
    def keep(spoil: Spoil) -> Spoil:
        DEFECTS.append((check, rule, spoil))
        return spoil

    return keep


def npu_files(shop: Shop) -> dict[str, str | bytes]:
    return shop.wheels["torch_npu"].files


def library(shop: Shop) -> bytes:
    data = npu_files(shop)["torch_npu/lib/libtorch_npu.so"]
    assert isinstance(data, bytes)
    return data


def put_library(shop: Shop, data: bytes) -> None:
    npu_files(shop)["torch_npu/lib/libtorch_npu.so"] = data
