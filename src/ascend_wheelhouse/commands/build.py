"""`invoke build` makes one component's wheel from source; `invoke reproduce` makes it twice and compares."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name, parse_wheel_filename

from ascend_wheelhouse import console
from ascend_wheelhouse.build.command import job_for, pending_on_unfit, spec_of, unfit
from ascend_wheelhouse.build.outcome import PendingBuild
from ascend_wheelhouse.build.reproduce import ReproduceReport, reproduce
from ascend_wheelhouse.cell import Cell, require_components
from ascend_wheelhouse.commands.options import options_of
from ascend_wheelhouse.errors import BuildError, IncompleteError, ResolveError
from ascend_wheelhouse.events import Emit
from ascend_wheelhouse.locate import Answer, ToBuild
from ascend_wheelhouse.lock import LockedSource, Pending, save
from ascend_wheelhouse.pylock import LockedFile
from ascend_wheelhouse.recipe import Recipe
from ascend_wheelhouse.source_wheels import hold_to_lock
from ascend_wheelhouse.wheelhouse import cell_of
from ascend_wheelhouse.workspace import Workspace


class NoSourceError(ResolveError):
    """No origin of a component has its source."""


class BuildPendingError(IncompleteError):
    """The component cannot be built on this host."""


class NotReproducedError(BuildError):
    """Two builds of a component gave different wheels."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    workspace: Workspace
    cell: Cell
    recipe: Recipe

    def locked(self) -> LockedSource:
        """Return the component's source from the committed lock, else from its origin now."""
        if lock := self.workspace.committed_lock(self.cell):
            for source in lock.sources:
                if source.component == self.recipe.name and source.build:
                    return source
        name = self.recipe.name
        locator = self.workspace.locator(self.cell, frozenset({name}), offline=self.workspace.offline)
        answer: Answer = locator.locate(name)
        if not isinstance(answer, ToBuild):
            reason = answer.reason if isinstance(answer, Pending) else "another origin has the wheel itself"
            raise NoSourceError(
                f"No source of {name} was found.",
                why=reason,
                next_step="run the same command without --offline",
            )
        found = self.workspace.source_builds(self.cell).lock(answer, locator.fields(self.recipe))
        if isinstance(found, Pending):
            raise NoSourceError(f"{name}: {found.reason}", next_step=found.supply)
        return found

    def beside(self) -> list[LockedFile]:
        """Return the wheels that the committed lock builds and this build needs, built now where they are not."""
        lock = self.workspace.committed_lock(self.cell)
        builds = self.workspace.source_builds(self.cell)
        wheels = []
        for source in lock.sources if lock else ():
            if source.build and source.component in self.recipe.needs:
                recipe = self.workspace.catalogue.recipes[source.component]
                wheel = builds.build(source, recipe, self.workspace.workshop)
                if isinstance(wheel, Pending):
                    raise BuildPendingError(
                        f"{self.recipe.name} needs {wheel.component}, which cannot be built on this host.",
                        why=wheel.reason,
                        next_step=wheel.supply,
                    )
                wheels.append(wheel)
        return wheels


def main(
    root: Path,
    component: str,
    *,
    words: Mapping[str, str],
    sandbox: bool,
    container: str,
    offline: bool,
    json: bool,
) -> None:
    """Build one component and print its wheel."""
    with console.main_guard(json=json):
        with console.reporter("json" if json else "auto", stream=sys.stderr) as emit:
            workspace = Workspace(root=root, emit=emit, offline=offline, sandbox=sandbox, container=container)
            task = _task(workspace, component, words)
            _refuse_pending(unfit(task.recipe, task.cell, workspace.workshop))
            source, builds = task.locked(), workspace.source_builds(task.cell)
            built = builds.build(source, task.recipe, workspace.workshop, task.beside())
        if isinstance(built, Pending):
            _refuse_pending(PendingBuild(component=built.component, reason=built.reason, supply=built.supply))
            return
        hold_to_lock(source, built)
        path = workspace.store.path(built.sha256)
        _tell(
            asdict(built) | {"path": str(path)},
            [built.filename, f"sha256 {built.sha256}", str(path)],
            json=json,
        )


def compare(
    root: Path, component: str, *, words: Mapping[str, str], container: str, offline: bool, json: bool
) -> None:
    """Build one component twice, everything about the builder varied, and print how equal the wheels are."""
    with console.main_guard(json=json):
        with console.reporter("json" if json else "auto", stream=sys.stderr) as emit:
            workspace = Workspace(root=root, emit=emit, offline=offline, container=container)
            task = _task(workspace, component, words)
            report = _reproduced(task, emit)
            _record(task, report)
        _tell(report.as_dict(), _lines(report), json=json)
        if not report.bit_equal:
            raise NotReproducedError(
                f"Two builds of {component} are not the same bytes.",
                why="; ".join(
                    f"{one.filename}: {', '.join(one.culprits) or one.rung}" for one in report.wheels
                ),
                next_step="the differences above name the members; an edit or a patch of the recipe removes them",
            )


def _task(workspace: Workspace, component: str, words: Mapping[str, str]) -> _Task:
    cell = cell_of(workspace, options_of(words))
    require_components(cell, [component])
    recipe = workspace.catalogue.recipes[component]
    return _Task(workspace=replace(workspace), cell=cell, recipe=recipe)


def _reproduced(task: _Task, emit: Emit) -> ReproduceReport:
    workshop = replace(task.workspace.workshop, ccache=False)
    spec = spec_of(task.recipe, task.cell)
    with pending_on_unfit(task.recipe, task.cell, emit) as pending:
        sandbox, toolchain, interpreter = workshop.tools(spec, task.cell)
        sources = task.workspace.source_builds(task.cell).sources(task.locked(), task.beside())
        job = job_for(task.recipe, task.cell, sources)
        return reproduce(job, toolchain, workshop.builder(sandbox, interpreter, spec))
    _refuse_pending(pending[0])
    raise AssertionError


def _record(task: _Task, report: ReproduceReport) -> None:
    """Write the digest of a bit-equal wheel into the committed lock, which later builds are then held to."""
    lock = task.workspace.committed_lock(task.cell)
    if lock is None or not report.bit_equal or len(report.wheels) != 1:
        return
    (wheel,) = report.wheels
    name, version, _, _ = parse_wheel_filename(wheel.filename)
    file = LockedFile(
        name=canonicalize_name(name),
        version=str(version),
        filename=wheel.filename,
        size=wheel.size,
        sha256=wheel.sha256,
        component=task.recipe.name,
        note="bit-equal when built again under other conditions",
    )
    sources = tuple(
        replace(one, wheel=replace(file, origin=one.origin)) if one.component == task.recipe.name else one
        for one in lock.sources
    )
    if sources != lock.sources:
        save(replace(lock, sources=sources), task.cell.target, task.workspace.lock_folder(task.cell))


def _refuse_pending(pending: PendingBuild | None) -> None:
    if pending is not None:
        raise BuildPendingError(
            f"{pending.component} cannot be built on this host.", why=pending.reason, next_step=pending.supply
        )


def _lines(report: ReproduceReport) -> list[str]:
    lines = []
    for wheel in report.wheels:
        lines += [f"{wheel.filename}: {wheel.rung} (as the steps left it: {wheel.raw})"]
        lines += [f"  {one.member}: {one.detail}" for one in wheel.differences]
        lines += [f"  changed by: {', '.join(wheel.culprits)}"] if wheel.culprits else []
    lines.append(f"varied at once: {', '.join(report.varied)}")
    lines += [f"not varied: {name}, {why}" for name, why in report.not_varied]
    return lines


def _tell(record: Mapping[str, Any], lines: list[str], *, json: bool) -> None:
    if json:
        console.print_json(record)
    else:
        for text in lines:
            console.line(text)
