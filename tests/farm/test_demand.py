from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import Bench
from sdists import recipe, where

from ascend_wheelhouse.build.command import Workshop
from ascend_wheelhouse.build.own_toolchains import OwnToolchains
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.toolchains import read_toolchains
from ascend_wheelhouse.farm.demand import Demand, Unmet, demand_of
from ascend_wheelhouse.farm.labels import Labels, host_labels

ROOT = Path(__file__).parents[2]
TOOLS = {"binutils": ("2.40",), "glibc": ("2.36",), "python": ("3.11",), "sandbox": ("bubblewrap",)}


def labels(machine: str = "aarch64", gcc: str = "13.2.0", *, cores: int = 8, memory_mb: int = 9000) -> Labels:
    """Return the labels of a worker."""
    named = {**TOOLS, "machine": (machine,), "gcc": (gcc,), "runs": (machine,)}
    return Labels(version="1", named=named, cores=cores, memory_mb=memory_mb)


def emulating(memory_mb: int = 9000) -> Labels:
    """Return the labels of an x86_64 worker that runs aarch64's programs."""
    found = labels("x86_64", memory_mb=memory_mb)
    return replace(found, named={**found.named, "runs": ("aarch64", "x86_64")})


def compiled(**toolchain: str) -> Recipe:
    """Return the recipe of a compiled component."""
    return recipe(pure=False, toolchain=toolchain, memory_mb=2000)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    bench = Bench(root=tmp_path / "store")
    own = OwnToolchains(
        recipes=read_toolchains(ROOT / "recipes"),
        lockfiles=ROOT / "lockfiles",
        store=bench.store,
        host=os.uname().machine,
    )
    return replace(bench.workshop, own=own)


def demand(of: Recipe, workshop: Workshop, *workers: Labels) -> Demand | Unmet:
    cell = where(machine="aarch64")
    cell = replace(cell, target=replace(cell.target, glibc=(2, 28)))
    return demand_of(of, cell, workshop, {str(number): one for number, one in enumerate(workers)})


def test_a_pure_build_goes_anywhere(workshop: Workshop) -> None:
    assert demand(recipe(), workshop, labels("x86_64", memory_mb=1)) == Demand(labels={})


def test_a_build_for_aarch64_goes_to_an_aarch64_worker_where_there_is_one(workshop: Workshop) -> None:
    found = demand(compiled(gcc=">=12"), workshop, emulating(), labels())
    assert isinstance(found, Demand)
    assert (found.labels["machine"], found.toolchain) == ("aarch64", "")


def test_without_one_it_is_a_foreign_build_on_a_worker_that_emulates(workshop: Workshop) -> None:
    found = demand(compiled(gcc=">=9"), workshop, labels("x86_64"), emulating())
    assert isinstance(found, Demand), found
    assert dict(found.labels) == {"machine": "x86_64", "runs": "aarch64"}
    assert found.toolchain
    assert not found.fits(labels("x86_64"))


def test_of_several_compilers_within_the_bound_that_of_most_cores_is_asked_for(workshop: Workshop) -> None:
    few, many = labels(gcc="13.2.0", cores=4), labels(gcc="12.3.0", cores=16)
    found = demand(compiled(gcc=">=12,<14"), workshop, few, many)
    assert isinstance(found, Demand)
    assert found.labels["gcc"] == "12.3.0"
    assert found.resources("1")["gcc:12.3.0"] == 1
    assert found.resources("1")["memory"] == 2000


def test_the_cores_of_workers_of_one_kind_count_together(workshop: Workshop) -> None:
    one, few = labels(gcc="12.3.0", cores=16), labels(gcc="13.2.0", cores=6)
    found = demand(compiled(gcc=">=12,<14"), workshop, one, few, few, few)
    assert isinstance(found, Demand)
    assert found.labels["gcc"] == "13.2.0"


def test_what_no_worker_has_is_told_for_each_way(workshop: Workshop) -> None:
    found = demand(compiled(gcc=">=99"), workshop, labels(), emulating(memory_mb=10))
    assert isinstance(found, Unmet)
    assert str(found) == "server wants gcc >=99"


def test_memory_is_a_bound(workshop: Workshop) -> None:
    found = demand(compiled(gcc=">=13"), replace(workshop, toolchain="host"), labels(memory_mb=1999))
    assert isinstance(found, Unmet)
    assert found.lacks == ("memory 2000 MiB",)


def test_the_hosts_tools_alone_are_asked_for_where_ours_are_excluded(workshop: Workshop) -> None:
    found = demand(compiled(gcc=">=12"), replace(workshop, toolchain="host"), emulating())
    assert isinstance(found, Unmet)
    assert found.lacks == ("machine aarch64",)


def test_labels_come_back_from_what_dask_keeps() -> None:
    found = labels()
    assert Labels.of_resources(found.as_resources()) == found
    assert Labels.of_resources({"GPU": 2}) == Labels(version="")


def test_this_host_is_labelled_by_what_it_has() -> None:
    found = host_labels(["site=north"], memory_mb=123, cores=2)
    assert found.has("machine", os.uname().machine)
    assert found.has("site", "north")
    assert (found.memory_mb, found.cores) == (123, 2)
    assert found.version.startswith("0.")
