"""Which of two runs ask for the same wheelhouse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ascend_wheelhouse.cells.cutoff import cutoff
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.make.freshness import request_key
from ascend_wheelhouse.make.options import BuildPlace, LockChoice, MakeOptions

REQUEST = Request(torch="2.8.0", target=Target(machine="aarch64"))
LOCK = LockChoice(request=REQUEST, exclude_newer=cutoff("2026-11-20"), build=frozenset({"b", "a"}))
MAKE = MakeOptions(lock=LOCK, output=Path("wheelhouse"))


def _of(request: Request) -> MakeOptions:
    return replace(MAKE, lock=replace(LOCK, request=request))


@pytest.mark.parametrize(
    "other",
    [
        _of(replace(REQUEST, torch="2.9.0")),
        _of(replace(REQUEST, target=Target(machine="x86_64"))),
        _of(replace(REQUEST, target=Target(machine="aarch64", npu="910b"))),
        _of(replace(REQUEST, target=Target(machine="aarch64", glibc=(2, 34)))),
        _of(replace(REQUEST, target=Target(machine="aarch64", python=(3, 12)))),
        _of(replace(REQUEST, cann="8.5.0")),
        _of(replace(REQUEST, sglang="0.5.7")),
        _of(replace(REQUEST, stack="mine")),
        replace(MAKE, lock=replace(LOCK, exclude_newer=None)),
        replace(MAKE, lock=replace(LOCK, resolver="uv")),
        replace(MAKE, lock=replace(LOCK, build=frozenset({"a"}))),
        replace(MAKE, build=BuildPlace(sandbox=False)),
        replace(MAKE, build=BuildPlace(container="recipe")),
        replace(MAKE, output=Path("elsewhere")),
    ],
)
def test_another_cell_lock_or_place_is_another_wheelhouse(other: MakeOptions) -> None:
    assert request_key(other.asked) != request_key(MAKE.asked)


@pytest.mark.parametrize(
    "same",
    [
        replace(MAKE, lock=replace(LOCK, exclude_newer=cutoff("2026-11-20T02:00:00+02:00"))),
        replace(MAKE, lock=replace(LOCK, build=frozenset({"a", "b"}))),
        replace(MAKE, lock=replace(LOCK, upgrade=True)),
        replace(MAKE, offline=True),
    ],
)
def test_how_a_wheelhouse_is_come_by_does_not_make_it_another(same: MakeOptions) -> None:
    assert request_key(same.asked) == request_key(MAKE.asked)
