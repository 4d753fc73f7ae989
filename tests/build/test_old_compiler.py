"""torch 2.6 for x86_64 wants gcc 9 and the old C++ ABI: built with a toolchain of ours whose compiler is that old."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import SMALL, Bench, cell, recipe_of
from stand_ins import HEADER_SHA256, HEADER_URL, torch_npu

from ascend_wheelhouse.build.command import Workshop, build_component
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.own_toolchains import own_toolchains
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.store.store import Store

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(
        platform.machine() != "x86_64", reason="the toolchain is locked for builders of x86_64"
    ),
    pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="two minutes: nox -s foreign"),
]


def test_the_recipe_of_torch_npu_finds_the_compiler_of_torch_2_6_and_keeps_to_old_nodes(
    tmp_path: Path,
) -> None:
    """The toolchain is kept in this user's store."""
    servers = torch_npu(tmp_path / "servers", version="2.6.0.post5")
    bench = Bench(root=tmp_path / "store", mirrors=servers.mirrors)
    header = {"url": HEADER_URL, "sha256": HEADER_SHA256}
    recipe = recipe_of("torch-npu", requirements=SMALL, downloads=[header], memory_mb=512)
    where = replace(cell({"torch": "2.6.0", "torch-npu": "2.6.0.post5"}), target=Target(machine="x86_64"))
    own = own_toolchains(Path(__file__).parents[2], Fetcher(recipes={}, store=Store(default_root())))
    workshop = Workshop(store=bench.store, emit=bench.events.append, own=own, toolchain="own")
    built = build_component(recipe, where, bench.lock(recipe, where), workshop)
    assert isinstance(built, list), built
    (wheel,) = built
    assert wheel.toolchain["gcc"].startswith("gcc 9.3.0 of gcc-9-")
    assert wheel.filename.startswith("torch_npu-2.6.0.post5-cp311-cp311-manylinux")
