"""Jobs for tests: real recipes or small ones, locked against the index, built on this host."""

from __future__ import annotations

import os
import platform
import tomllib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.events import Event, silent
from ascend_wheelhouse.build.command import Workshop, build_component, job_for, spec_of
from ascend_wheelhouse.build.job import BuildJob, Sources
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.reproduce import ReproduceReport, reproduce
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import GitOrigin, Recipe, SdistOrigin
from ascend_wheelhouse.cells.target import Npu, Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.pin.source_locker import SourceLocker
from ascend_wheelhouse.resolve.uv import UvResolver
from ascend_wheelhouse.store.store import Store

RECIPES = Path(__file__).parents[2] / "recipes"
HOST_GLIBC = (2, int(os.confstr("CS_GNU_LIBC_VERSION").rsplit(".", 1)[1]))  # type: ignore[union-attr]
SMALL = ["setuptools<80", "wheel==0.45.1", "pip"]


def recipe_of(name: str, **changes: Any) -> Recipe:  # noqa: ANN401 - whatever a build table may hold
    """Return a recipe of `recipes/` with keys of its build table replaced."""
    table = tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8"))
    table["build"] |= changes
    return Recipe.model_validate(table)


def sdist_recipe(name: str, **build: Any) -> Recipe:  # noqa: ANN401 - whatever a build table may hold
    """Return the recipe of a package of the index that is built from its sdist."""
    table = {"backend": "pep517", "distributions": [name], **build}
    return Recipe.model_validate(
        {
            "name": name,
            "distribution": name,
            "summary": "A test.",
            "licence": "MIT",
            "origins": [{"kind": "sdist"}],
            "build": table,
        }
    )


def cell(versions: dict[str, str], *, npu: Npu = "a3", cann: str = "8.5.0") -> Cell:
    """Return a cell for this host's machine and glibc."""
    target = replace(Target.named(platform.machine(), npu), glibc=HOST_GLIBC)
    return Cell(stack="test", target=target, cann=cann, components={"sglang": "0.5.6.post2", **versions})


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A store and all that is done with it; `events` is what was told, `fields` what the table says of a release."""

    root: Path
    mirrors: Mirrors = field(default_factory=Mirrors)
    patches: Path | None = None
    events: list[Event] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    @cached_property
    def store(self) -> Store:
        """The store of this bench."""
        return Store(self.root)

    @property
    def workshop(self) -> Workshop:
        """A workshop without a compiler cache."""
        return Workshop(store=self.store, emit=self.events.append, ccache=False)

    @property
    def locker(self) -> SourceLocker:
        """What pins sources for this bench."""
        return SourceLocker(
            store=self.store,
            emit=silent,
            http=Http(mirrors=self.mirrors),
            mirrors=self.mirrors,
            resolver=UvResolver(),
            patches=self.patches or RECIPES / "patches",
        )

    def lock(self, recipe: Recipe, where: Cell) -> Sources:
        """Pin what a component is built from."""
        origin = next(one for one in recipe.origins if isinstance(one, GitOrigin | SdistOrigin))
        version = where.components[recipe.name]
        fields = where.fields | {"version": version} | self.fields
        return self.locker.lock(
            recipe.name, version, origin, spec_of(recipe, where), where.target, fields=fields
        )

    def build(self, recipe: Recipe, where: Cell, sources: Sources) -> BuiltWheel:
        """Build a component that gives one wheel."""
        built = build_component(recipe, where, sources, self.workshop)
        assert isinstance(built, list), built
        (wheel,) = built
        return wheel

    def reproduce(self, recipe: Recipe, where: Cell, sources: Sources) -> ReproduceReport:
        """Build twice under different conditions."""
        job: BuildJob = job_for(recipe, where, sources)
        sandbox, toolchain, interpreter = self.workshop.tools(job.spec, where)
        return reproduce(job, toolchain, self.workshop.builder(sandbox, interpreter, job.spec))
