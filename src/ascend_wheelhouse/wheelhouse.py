"""Making one wheelhouse: lock, supply, fetch, build, assemble. Each step is kept, so that a stopped run goes on.

What the later steps need is imported by them, while the files are on their way.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from ascend_wheelhouse.arrivals import Arrivals
from ascend_wheelhouse.audit.report import AuditDefectsError, AuditReport
from ascend_wheelhouse.cell import Cell, require_components
from ascend_wheelhouse.collector import paused
from ascend_wheelhouse.derive import Request
from ascend_wheelhouse.errors import IntegrityError, ResolveError, SourceUnreachableError, UsageError
from ascend_wheelhouse.events import Emit, Note, Stage, silent
from ascend_wheelhouse.fetch import fetch_all
from ascend_wheelhouse.inputs import moment
from ascend_wheelhouse.locate import Answer, Located, ToBuild
from ascend_wheelhouse.lock import Lock, LockedPayload, LockedSource, Pending, save
from ascend_wheelhouse.manifest import Manifest
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.recipe import own_indexes
from ascend_wheelhouse.resolvers import resolver_named
from ascend_wheelhouse.source_wheels import (
    build_sources,
    downloads_for,
    file_download,
    source_downloads,
    with_built,
)
from ascend_wheelhouse.supply import bring_released
from ascend_wheelhouse.transfer import Download
from ascend_wheelhouse.workspace import Workspace

if TYPE_CHECKING:
    from ascend_wheelhouse.contents import Facts
    from ascend_wheelhouse.sbom import WheelFacts


class StaleLockError(UsageError):
    """A committed lock was made for another cell than the stack file now describes."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run was asked for.

    Args:
        request: torch, target, CANN and SGLang.
        upgrade: Make a new lock although one is committed.
        resolver: `pip-tools` or `uv`.
        exclude_newer: RFC 3339 time for a new lock; the stack's own when empty.
        build: Components to build from source although an origin has them.
        output: Folder that holds the wheelhouses; `wheelhouse/` of the workspace when None.
        audit: Prove that the wheels fit together before the wheelhouse takes its place.
    """

    request: Request
    upgrade: bool = False
    resolver: str = "pip-tools"
    exclude_newer: str = ""
    build: frozenset[str] = frozenset()
    output: Path | None = None
    audit: bool = True


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finished wheelhouse."""

    folder: Path
    manifest: Manifest
    lock: Lock
    cell: Cell
    report: AuditReport | None = None


class ChangedInStoreError(IntegrityError):
    """A file in the store is not the one that the lock names, and may not be fetched again."""


class DefectError(AuditDefectsError):
    """The audit found that the wheels do not fit together; `report` says where."""

    def __init__(self, name: str, report: AuditReport, lock: str) -> None:
        self.report = report
        found = "; ".join(f"{one.subject}: {one.message}" for one in report.of("error")[:3])
        super().__init__(
            f"{name}: the audit found {len(report.of('error'))} defects, so it was not put in place: {found}",
            why="Wheels of this set do not fit together, or are not what they claim.",
            next_step=f"invoke audit --lock {lock}  # shows every finding, and what mends it",
        )


def cell_of(workspace: Workspace, options: Options) -> Cell:
    """Return the cell that a run is for."""
    moment(options.exclude_newer)
    resolver_named(options.resolver)
    cell = workspace.cell(options.request)
    require_components(cell, options.build)
    return replace(cell, exclude_newer=options.exclude_newer) if options.exclude_newer else cell


def lock_of(workspace: Workspace, cell: Cell, options: Options) -> Lock:
    """Return the committed lock, or a new one that is written to `lockfiles/`.

    Raises:
        StaleLockError: The committed lock is for another cell.
    """
    _announce(workspace, cell)
    committed = None if options.upgrade else workspace.committed_lock(cell)
    if committed is not None:
        _check_fits(committed, cell)
        if options.exclude_newer and moment(committed.inputs.exclude_newer) != moment(options.exclude_newer):
            text = "the committed lock is used as it is; --upgrade resolves again with --exclude-newer"
            workspace.emit(Note(text=text, level="warning"))
        more = options.build - {source.component for source in committed.sources}
        return with_sources(workspace, cell, committed, more) if more else committed
    new = workspace.locking(cell, resolver=options.resolver, build=options.build).lock()
    fetch(workspace, downloads_for(workspace, new), silent)
    built = with_built(new, build_sources(workspace, cell, new))
    # A compiler's wheel gets its digest into the lock when `invoke reproduce` found it bit-equal, not before.
    sources = tuple(replace(one, wheel=None) if one.build else one for one in built.sources)
    save(replace(built, sources=sources, pending=new.pending), cell.target, workspace.lock_folder(cell))
    return built


def with_sources(workspace: Workspace, cell: Cell, lock: Lock, names: frozenset[str]) -> Lock:
    """Return a committed lock in which further components are built from source, and write it.

    A component whose source cannot be reached is pending in the lock that is returned, not in the one written.
    """
    builds = workspace.source_builds(cell)
    locator = workspace.locator(cell, names, offline=workspace.offline)
    answers = [locator.locate(name) for name in sorted(names)]
    recipes = workspace.catalogue.recipes
    tables = {*names, *(source.component for source in lock.sources if source.build)}
    apart = {canonicalize_name(recipes[name].distribution) for name in tables}
    found = [
        builds.lock(one, locator.fields(one.recipe), lock.wheels, built=apart)
        if isinstance(one, ToBuild)
        else one
        for one in answers
    ]
    sources = [one for one in found if isinstance(one, LockedSource)]
    built = {source.component for source in sources}
    new = replace(
        lock,
        wheels=tuple(wheel for wheel in lock.wheels if wheel.component not in built),
        sources=(*lock.sources, *sources),
        pending=tuple(one for one in lock.pending if one.component not in built),
    )
    if sources:
        save(new, cell.target, workspace.lock_folder(cell))
    return replace(new, pending=(*new.pending, *(one for one in found if isinstance(one, Pending))))


def make(workspace: Workspace, options: Options) -> Made:
    """Make a wheelhouse and return it.

    Raises:
        WheelhouseError: A step failed; the last good wheelhouse stays as it was.
    """
    cell = cell_of(workspace, options)
    lock = lock_of(workspace, cell, options)
    lock, facts = gather(workspace, cell, lock, options.build)
    bring_sources(workspace, cell, lock)
    from ascend_wheelhouse import assemble
    from ascend_wheelhouse.contents import lay_out

    final = (options.output or workspace.root / "wheelhouse") / cell.name
    workspace.emit(Stage(name="assemble"))
    with assemble.replacing(final, workspace.emit) as part:
        recipes = workspace.catalogue.recipes
        manifest = lay_out(part, cell=cell, recipes=recipes, lock=lock, store=workspace.store, facts=facts)
        report = _audited(workspace, part, cell) if options.audit else None
    return Made(folder=final, manifest=manifest, lock=lock, cell=cell, report=report)


@paused()
def gather(workspace: Workspace, cell: Cell, lock: Lock, build: frozenset[str]) -> tuple[Lock, Facts]:
    """Have every file of a lock in the store: pending ones are looked for, wheels fetched and built, all at once.

    Returns:
        The lock with what was found and built, and what the ready-made wheels say of themselves.
    """
    needed = downloads_for(workspace, lock)
    sift(workspace, [*downloads_of(lock), *needed])
    wanted = {one.sha256: one for one in (*downloads_of(lock), *needed)}
    arrivals = Arrivals([one.filename for one in needed], workspace.emit)
    with ThreadPoolExecutor(3, thread_name_prefix="gather") as pool:
        supplying = pool.submit(_supplied, workspace, cell, lock, build, arrivals)
        building = pool.submit(_built, workspace, cell, lock, arrivals)
        reading = pool.submit(_read, workspace, lock, arrivals)
        with arrivals:
            _bring(workspace, cell, lock, list(wanted.values()), arrivals)
        more = supplying.result()
        found = [one for one in downloads_of(more) if one.sha256 not in wanted]
        _bring(workspace, cell, more, found, workspace.emit)
    return with_built(more, building.result()), reading.result()


def sift(workspace: Workspace, wanted: Sequence[Download]) -> None:
    """Hash what the store holds of the files wanted; what was changed there is removed, and fetched again.

    Raises:
        ChangedInStoreError: A file was changed, and this run may not fetch.
    """
    store = workspace.store
    here = {str(one.sha256): one for one in wanted if one.sha256 and store.has(one.sha256)}
    for error in store.damaged(here):
        name = here[error.sha256].filename
        if workspace.offline:
            raise ChangedInStoreError(
                f"{name} was changed in the store: {error.what}",
                why=error.why,
                next_step="the same command without --offline, or: invoke vendor FILE",
            )
        workspace.emit(Note(text=f"{name} was changed in the store; it is fetched again", level="warning"))


def _supplied(
    workspace: Workspace, cell: Cell, lock: Lock, build: frozenset[str], arrivals: Arrivals
) -> Lock:
    return supplied(workspace, cell, lock, build) if arrivals.wait_for_first() else lock


def _built(workspace: Workspace, cell: Cell, lock: Lock, arrivals: Arrivals) -> list[LockedSource | Pending]:
    """Build as soon as what that needs is here."""
    return build_sources(workspace, cell, lock) if arrivals.wait() else []


def _read(workspace: Workspace, lock: Lock, arrivals: Arrivals) -> Facts:
    """Read the wheels as they come."""
    arrivals.wait_for_first()
    from ascend_wheelhouse.contents import facts_of

    wheels = {wheel.filename: wheel for wheel in lock.wheels}
    facts: dict[str, WheelFacts] = {}
    for name in arrivals.names():
        if name in wheels:
            facts |= facts_of([wheels[name]], workspace.store)
    return facts


def _bring(workspace: Workspace, cell: Cell, lock: Lock, downloads: Sequence[Download], emit: Emit) -> None:
    if not workspace.offline:
        bring_released(workspace.locator(cell), workspace.store, lock)
    if downloads:
        fetch(workspace, downloads, emit)


def _audited(workspace: Workspace, folder: Path, cell: Cell) -> AuditReport:
    from ascend_wheelhouse.audit.command import audit_folder

    workspace.emit(Stage(name="audit"))
    report = audit_folder(folder, root=workspace.root, store=workspace.store, emit=workspace.emit)
    if report.exit_code:
        lock = workspace.lock_folder(cell) / f"pylock.{cell.target.machine}.toml"
        raise DefectError(cell.name, report, os.path.relpath(lock))
    return report


def downloads_of(lock: Lock) -> list[Download]:
    """Return every ready-made file of a lock."""
    return [*map(file_download, lock.wheels), *map(_payload_download, lock.payloads)]


def fetch(workspace: Workspace, downloads: Sequence[Download], emit: Emit | None = None) -> None:
    """Have files in the store, looked up on the index by name; `emit` is the workspace's when None."""
    finder = Finder(workspace.http)

    own = own_indexes(workspace.catalogue.recipes)

    def where(wanted: Download) -> Sequence[str]:
        also = own.get(wanted.name, ())
        return finder.where(wanted.name, wanted.filename, str(wanted.sha256), also=also)

    fetch_all(
        downloads,
        workspace.store,
        emit or workspace.emit,
        http=workspace.http,
        locate=where,
        offline=workspace.offline,
    )


def bring_sources(workspace: Workspace, cell: Cell, lock: Lock) -> None:
    """Have in the store what `sources/` carries, as far as origins answer, and tell what stays away."""
    from ascend_wheelhouse import carried

    recipes = workspace.catalogue.recipes
    quiet = replace(workspace, emit=silent)
    wanted = carried.lacking(lock, cell, recipes, workspace.store)
    if wanted and not workspace.offline:
        with suppress(SourceUnreachableError, ResolveError):
            fetch(workspace, source_downloads(lock), silent)
        for source in lock.sources:
            with suppress(SourceUnreachableError, ResolveError):
                if source.build:
                    quiet.source_builds(cell).bring(source, recipes[source.component])
        wanted = carried.lacking(lock, cell, recipes, workspace.store)
    for file in wanted:
        text = f"sources/ lacks {file.filename}: {file.component} cannot be built from this wheelhouse alone"
        workspace.emit(Note(text=text, level="warning"))


def supplied(workspace: Workspace, cell: Cell, lock: Lock, build: frozenset[str]) -> Lock:
    """Return the lock with what its pending components' origins, or a person, can give by now."""
    from ascend_wheelhouse.locking import locked_payload

    if not lock.pending:
        return lock
    locator = workspace.locator(cell, build, offline=workspace.offline)
    names = [item.component for item in lock.pending]
    with ThreadPoolExecutor(len(names), thread_name_prefix="supply") as pool:
        answers: list[Answer] = list(pool.map(locator.locate, names))
    found = [answer for answer in answers if isinstance(answer, Located)]
    wheels = [one.file for one in found if one.recipe.kind == "wheel"]
    payloads = [locked_payload(one, cell) for one in found if one.recipe.kind != "wheel"]
    return replace(
        lock,
        wheels=tuple(sorted((*lock.wheels, *wheels), key=lambda wheel: wheel.name)),
        payloads=(*lock.payloads, *payloads),
        pending=tuple(answer for answer in answers if isinstance(answer, Pending)),
    )


def _announce(workspace: Workspace, cell: Cell) -> None:
    if cell.derived:
        workspace.emit(Note(text=f"{cell.name} is derived: {cell.notes[0]}", level="warning"))


def _check_fits(lock: Lock, cell: Cell) -> None:
    wanted = cell.as_manifest()
    if lock.cell != wanted:
        changed = sorted(key for key in wanted | lock.cell if wanted.get(key) != lock.cell.get(key))
        raise StaleLockError(
            f"The lock of {cell.name} was made for another cell: {', '.join(changed)} differ.",
            why="The stack file was changed after the lock was made.",
            next_step=f"invoke lock --upgrade --torch {cell.torch} --platform {cell.target.machine}",
        )


def _payload_download(payload: LockedPayload) -> Download:
    return Download(
        filename=payload.filename, sha256=payload.sha256, size=payload.size, name=payload.component
    )
