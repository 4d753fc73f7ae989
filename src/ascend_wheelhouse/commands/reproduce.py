"""`invoke reproduce`: builds a component twice under different conditions, and compares the wheels."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import BuildError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.build.build_table import KEY, remembered
from ascend_wheelhouse.build.command import job_for, pending_on_unfit, spec_of
from ascend_wheelhouse.build.reproduce import ReproduceReport, reproduce
from ascend_wheelhouse.commands.build import BuildOptions, ComponentBuild, component_build, refuse_pending
from ascend_wheelhouse.locks.lock import LockedSource
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.replacing import replaced


class NotReproducedError(BuildError):
    """Two builds of a component gave different wheels."""


@dataclass(frozen=True, kw_only=True)
class ReproduceOptions(BuildOptions):
    """What `invoke reproduce` was asked for: the same as `invoke build`, always in a sandbox."""


def main(options: ReproduceOptions) -> None:
    """Build one component twice, everything about the builder varied, and print how equal the wheels are."""
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit:
        job = component_build(options, emit)
        with job.building.fetcher.store.in_use(emit):
            source, report = _reproduced(job, emit)
        _record(job, source, report)
    if options.json:
        console.print_json(report.as_dict())
    else:
        for text in _lines(report):
            console.line(text)
    if not report.bit_equal:
        raise NotReproducedError(
            f"Two builds of {options.component} are not the same bytes.",
            why="; ".join(f"{one.filename}: {', '.join(one.culprits) or one.rung}" for one in report.wheels),
            next_step="the differences above name the members; an edit or a patch of the recipe removes them",
        )


def _reproduced(job: ComponentBuild, emit: Emit) -> tuple[LockedSource, ReproduceReport]:
    """Return what was built twice, and how equal the wheels are; a host that cannot build it brings no source."""
    workshop = replace(job.workshop(), ccache=False)
    spec = spec_of(job.recipe, job.cell)
    with pending_on_unfit(job.recipe, job.cell, emit) as pending:
        sandbox, toolchain, interpreter = workshop.tools(spec, job.cell)
        source = job.locked()
        sources = job.building.source_builds().sources(source, job.recipe, job.beside())
        what = job_for(job.recipe, job.cell, sources)
        return source, reproduce(what, toolchain, workshop.builder(sandbox, interpreter, spec))
    refuse_pending(pending[0])
    raise AssertionError


def _record(job: ComponentBuild, source: LockedSource, report: ReproduceReport) -> None:
    """Write the digest of a bit-equal wheel into the committed lock, which later builds are then held to.

    A lock that has another source of it by now, or none, stays as it is.
    """
    if not report.bit_equal or len(report.wheels) != 1:
        return
    note = "bit-equal when built again under other conditions"
    file = LockedFile.of(
        report.wheels[0].artifact, component=job.recipe.name, note=note, origin=source.origin
    )
    proven = replace(source, wheel=file, build=source.build | {KEY: remembered(job.recipe, job.cell)})
    emit = job.building.fetcher.emit
    lock = job.folder.committed_lock(job.cell)
    while lock is not None:
        sources = tuple(proven if replace(one, wheel=source.wheel) == source else one for one in lock.sources)
        if sources == lock.sources:
            return
        lock = replaced(lock, replace(lock, sources=sources), job.folder, job.cell, emit)


def _lines(report: ReproduceReport) -> list[str]:
    lines = []
    for wheel in report.wheels:
        lines += [f"{wheel.filename}: {wheel.rung} (as the steps left it: {wheel.raw})"]
        lines += [f"  {one.member}: {one.detail}" for one in wheel.differences]
        lines += [f"  changed by: {', '.join(wheel.culprits)}"] if wheel.culprits else []
    lines.append(f"varied at once: {', '.join(report.varied)}")
    lines += [f"not varied: {name}, {why}" for name, why in report.not_varied]
    return lines
