"""A compiled package of the index, built for the other architecture, beside the same build for this one.

    python benchmarks/foreign.py [--package kiwisolver==1.4.9] [--rounds 2]

Both with the same toolchain of ours, from the same sdist, in a sandbox of their own; toolchains and build environments
are there before the clock starts. The best of the rounds counts, wall time and processor time.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.build.command import Workshop, job_for, spec_of
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.target import MACHINES, Machine, Target
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.own_toolchains import own_toolchains
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.pin.source_locker import SourceLocker
from ascend_wheelhouse.resolve.resolvers import resolver_named
from ascend_wheelhouse.store.store import Store

PROJECT = Path(__file__).parents[1]


def recipe_of(name: str) -> Recipe:
    """Return a recipe that builds a package from its sdist by its own backend."""
    return Recipe.model_validate(
        {
            "name": name,
            "distribution": name,
            "summary": "A benchmark.",
            "licence": "various",
            "origins": [{"kind": "sdist"}],
            "build": {"backend": "pep517", "distributions": [name]},
        }
    )


def prepared(package: Requirement, machine: Machine, store: Store) -> tuple[Workshop, Recipe, Cell]:
    """Return everything that a build takes; what is to be fetched is fetched."""
    version = next(iter(package.specifier)).version
    own = own_toolchains(PROJECT, Fetcher(recipes={}, store=store))
    components = {"torch": "2.8.0", "sglang": "0", package.name: version}
    cell = Cell(stack="benchmark", target=Target(machine=machine), cann="8.5.0", components=components)
    workshop = Workshop(store=store, emit=silent, own=own, toolchain="own", ccache=False)
    return workshop, recipe_of(package.name), cell


def seconds(package: Requirement, machine: Machine, rounds: int) -> tuple[float, float]:
    """Return the best wall and processor seconds of a build for a machine."""
    store = Store()
    workshop, recipe, cell = prepared(package, machine, store)
    locker = SourceLocker(
        store=store,
        emit=silent,
        http=Http(),
        mirrors=Mirrors(),
        resolver=resolver_named("uv"),
        patches=PROJECT,
    )
    spec = spec_of(recipe, cell)
    sources = locker.lock(
        recipe.name, cell.components[recipe.name], recipe.origins[0], spec, cell.target, fields=cell.fields
    )
    job = job_for(recipe, cell, sources)
    sandbox, toolchain, interpreter = workshop.tools(job.spec, cell)
    builder = replace(workshop.builder(sandbox, interpreter, job.spec), jobs=os.cpu_count() or 1)
    measured = []
    for number in range(rounds + 1):  # the first one installs the build environment
        place = Path(tempfile.mkdtemp(prefix="benchmark-foreign-"))
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        builder.make(job, toolchain, place / "build")
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        shutil.rmtree(place)
        if number:
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            measured.append((wall, spent))
    return min(one for one, _ in measured), min(one for _, one in measured)


def main() -> None:
    """Build for both and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--package", default="kiwisolver==1.4.9", type=Requirement)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    here = platform.machine()
    found = {
        machine: seconds(given.package, machine, given.rounds)
        for machine in sorted(MACHINES, key=lambda one: one != here)
    }
    for machine, (wall, spent) in found.items():
        print(f"{machine}: {wall:.1f} s, {spent:.1f} s of processor time")
    other = next(machine for machine in found if machine != here)
    print(f"for {other} / for {here}: {found[other][0] / found[here][0]:.2f}")


if __name__ == "__main__":
    main()
