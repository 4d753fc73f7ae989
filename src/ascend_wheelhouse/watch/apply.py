"""Making the new locks that findings ask for, in a copy of the project folder: only what passed the audit is kept.

The recipes and the locks are copied to a folder for short work, a component's new version is written into its stack
there, and each lock is made and audited there. A stack that changes takes its place with all of its locks, or not at
all; any other lock stands for itself, so that one that cannot be made keeps no other out.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from packaging.utils import canonicalize_name

from ascend_wheelhouse.audit.command import AuditRequest, audit
from ascend_wheelhouse.base.cell_words import APPLICATION
from ascend_wheelhouse.base.errors import HostUnfitError, UsageError, WheelhouseError, file_trouble
from ascend_wheelhouse.base.events import Emit, Note, silent
from ascend_wheelhouse.base.packaged import lockfiles_of, recipes_of
from ascend_wheelhouse.build.build_table import KEY
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.locks.lock import Lock, files
from ascend_wheelhouse.locks.lock_diff import compare
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.building import building_of
from ascend_wheelhouse.make.fetcher import Fetcher, downloads_of
from ascend_wheelhouse.make.lesser_build import is_lesser
from ascend_wheelhouse.make.lock import lock_of
from ascend_wheelhouse.make.options import LockChoice
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.node.errors import CELL
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.pin.moving import pins_of
from ascend_wheelhouse.resolve.resolvers import ResolverName
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.watch.findings import WatchFinding
from ascend_wheelhouse.watch.held import HeldLock, UnreadLock
from ascend_wheelhouse.watch.moves import unstated
from ascend_wheelhouse.watch.outcome import Applied, ApplyOutcome, NotApplied
from ascend_wheelhouse.watch.refused import hold_builds, hold_complete, hold_together, not_kept
from ascend_wheelhouse.watch.taking_places import LockPlace, LocksBefore


class NothingToApplyError(UsageError):
    """What was named has news, and no lock that they are for."""


class ClockBehindError(HostUnfitError):
    """By this host's clock, a new lock would know less of the index than the one that is there."""


class StackUnchangedError(UsageError):
    """A component's version in a stack file is written in a way that is not changed by itself."""


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Locks that take their places together.

    Args:
        locks: The locks.
        stack: The stack that changes with them, empty where none does.
        moved: The releases that are written into it.
        packages: The wheels that move, where the others stay.
    """

    locks: Sequence[HeldLock]
    stack: str = ""
    moved: Sequence[WatchFinding] = ()
    packages: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Applying:
    """How new locks are made.

    Args:
        root: The project folder.
        http: The client of every origin.
        store: Where files go.
        locks: Every lock of the project folder.
        unread: Those that cannot be read; a stack that one of them may be of stays as it is.
        until: The new locks leave out uploads after this time, and so know the index up to it; None where the index
            states no times.
        resolver: Chooses versions.
        alone: Only what the findings name moves, and what has to move with it.
        emit: Told of the progress.
    """

    root: Path
    http: Http
    store: Store
    locks: Sequence[HeldLock]
    until: datetime | None
    unread: Sequence[UnreadLock] = ()
    resolver: ResolverName = "pip-tools"
    alone: bool = False
    emit: Emit = field(default=silent)

    def apply(self, findings: Sequence[WatchFinding]) -> ApplyOutcome:
        """Make and audit the locks that findings touch, and put them in the place of the old ones.

        New releases of components are written into the stacks that they touch, and all locks of those stacks are made.
        Where nothing that was found asks for a new lock, nothing is made. A lock of a stack that stays, and that would
        name the same files again, is left as it is: what was yanked there has no release in its place.

        Raises:
            NothingToApplyError: The findings are of components, and touch no lock.
        """
        groups = self._groups(findings)
        proposed = [one for one in findings if one.kind == "new" and one.of == "component"]
        news = [one for one in proposed if _takes(one) or not one.stacks]
        if news and not groups:
            named = ", ".join(dict.fromkeys(f"{one.component} {one.after}" for one in news))
            raise NothingToApplyError(
                f"No lock is there for {named}.",
                why="A line that no stack has needs a stack of its own first, and a stack a lock.",
                next_step="`invoke watch` shows what there is",
            )
        applied: list[Applied] = []
        failed: list[NotApplied] = []
        for group in groups:
            try:
                applied += self._made(group)
            except (WheelhouseError, OSError) as error:
                names = tuple(one.name for one in group.locks)
                told = file_trouble(error) if isinstance(error, OSError) else error
                self.emit(Note(text=f"{', '.join(names)}: {told.what}"))
                failed.append(NotApplied(locks=names, error=told))
        return ApplyOutcome(applied=tuple(applied), failed=tuple(failed))

    def _groups(self, findings: Sequence[WatchFinding]) -> list[_Group]:
        moved = _moved(findings)
        stacks = dict.fromkeys(name for one in moved for name in one.stacks)
        touched = {name for one in findings for name in _touched(one)}
        groups = [
            _Group(
                stack=stack,
                locks=[one for one in self.locks if one.stack == stack],
                moved=[one for one in moved if stack in one.stacks],
            )
            for stack in stacks
        ]
        alone = [one for one in self.locks if one.name in touched and one.stack not in stacks]
        return [one for one in groups if one.locks] + [
            _Group(locks=[one], packages=_packages(one, findings) if self.alone else frozenset())
            for one in alone
        ]

    def _made(self, group: _Group) -> list[Applied]:
        """Make the locks of a group, keep them, and return them.

        Raises:
            UsageError: A lock of its stack cannot be read.
            ClockBehindError: A lock knows the index up to a later time than this run would.
            OutputFolderError: New files could not take their places.
            StackUnchangedError: The stack file cannot be changed.
            ComponentLostError: A new lock would lack a component that the old one has.
            LesserBuildError: A new lock would have a worse build of one.
            TwoReleasesError: Components would stand beside each other whose releases are not for each other.
            NotKeptError: The audit found a defect.
            ChangedMeanwhileError: Somebody else wrote in the places of the old ones.
            WheelhouseError: A lock could not be made.
            OSError: The system refused a file.
        """
        for lock in self.unread:
            if group.stack and lock.stack in {group.stack, None}:
                raise lock.error
        for held in group.locks:
            _hold_later(held, self.until)
        with scratch(prefix="aw-watch-") as place, self.store.in_use(self.emit):
            places = [LockPlace(folder=one.folder, platform=one.platform) for one in group.locks]
            before = LocksBefore.now(self.root, places, group.stack)
            before.require_places()
            copy = _copied(self.root, place / "project")
            for one in group.moved:
                _move(copy / "recipes/stacks" / f"{group.stack}.toml", one.component, one.after)
            folder = ProjectFolder.load(copy)
            hold_together([one for one in folder.catalogue.stacks if one.name == group.stack])
            fetcher = Fetcher(recipes=folder.recipes, store=self.store, http=self.http, emit=self.emit)
            made = []
            for held in group.locks:
                self.emit(Note(text=f"making {held.name} anew"))
                try:
                    new = self._one(folder, fetcher, held, group)
                except WheelhouseError as error:
                    error.for_cell(held.words)
                    raise
                if new is None:
                    self.emit(Note(text=f"{held.name} stays as it is: no other release fits"))
                else:
                    made.append((held, new))
            before.replace_from(
                copy, [LockPlace(folder=new.folder, platform=held.platform) for held, new in made]
            )
        return [one for _, one in made]

    def _one(self, folder: ProjectFolder, fetcher: Fetcher, held: HeldLock, group: _Group) -> Applied | None:
        """Return a lock that was made and audited; None where it names the files that it named, in no new stack."""
        request = request_of(held)
        cell = cell_of(request, folder, fetcher.http)
        choice = LockChoice(
            request=request,
            exclude_newer=self.until,
            upgrade=not group.packages,
            packages=group.packages,
            kept=pins_of(held.lock) if self.alone and group.stack else (),
            resolver=self.resolver,
        )
        made = lock_of(choice, folder, building_of(cell, folder, fetcher))
        if not group.stack and _locked(made, held) == _locked(held.lock, held):
            return None
        hold_complete(held, made)
        hold_builds(held, [one for one in made.wheels if is_lesser(one, folder.recipes, cell)])
        fetcher.fetch(downloads_of(made))
        place = folder.lock_folder(cell)
        path = place / f"pylock.{held.platform}.toml"
        report = audit(AuditRequest(lock=path), root=folder.root, emit=self.emit, store=self.store)
        if report.exit_code:
            raise not_kept(held, report, compare(held.lock, made))
        changes = tuple(compare(held.lock, made))
        return Applied(
            lock=held.name,
            folder=place.name,
            changes=changes,
            unstated=tuple(unstated(changes, cell, folder.table)),
            pending=tuple(one.component for one in made.pending),
        )


def _hold_later(held: HeldLock, until: datetime | None) -> None:
    """Hold a lock to one that a new one would not know less of the index than.

    Raises:
        ClockBehindError: It would.
    """
    if until is not None and held.since is not None and until < held.since:
        known, now = (f"{one:%Y-%m-%d %H:%M}" for one in (held.since, until))
        error = ClockBehindError(
            f"{held.name} knows the index up to {known}, and this host's clock says {now}.",
            why="A new lock would leave out what was uploaded in between. The clock is behind, or was ahead then.",
            next_step="set the clock, then the same command again; or `invoke lock --upgrade {cell}` where it is right",
        )
        error.for_cell(held.words)
        raise error


def _locked(lock: Lock, held: HeldLock) -> dict[str, str]:
    """Return what the files of a lock would be, were it made when `held` was, from its recipes and with its facts."""
    known = {one.component for one in held.lock.sources if KEY in one.build}
    sources = tuple(
        one
        if one.component in known
        else replace(one, build={key: value for key, value in one.build.items() if key != KEY})
        for one in lock.sources
    )
    before = held.lock
    same = replace(lock, inputs=before.inputs, recipes_digest=before.recipes_digest, sources=sources)
    return files(same, held.target)


def _touched(finding: WatchFinding) -> Sequence[str]:
    """Return the locks that a finding of a wheel asks to be made anew; none for a vulnerability without a way out."""
    if finding.kind == "unreachable" or finding.of != "wheel":
        return ()
    inside = finding.facts.get("inside")
    return inside if isinstance(inside, list) else finding.locks


def _packages(held: HeldLock, findings: Sequence[WatchFinding]) -> frozenset[str]:
    """Return the wheels that findings ask to move in a lock; none where a part of it is meant that moves with all else.

    That is a component's wheel, and one of a build environment.
    """
    names = {canonicalize_name(one.component) for one in findings if held.name in _touched(one)}
    built_in = {wheel.name for source in held.lock.sources for wheel in source.environment}
    whole = any(one.kind in {"yanked", "vanished"} for one in findings if held.name in _touched(one))
    able = {wheel.name for wheel in held.lock.wheels if wheel.component is None}
    return frozenset(names) if names <= able - (built_in if whole else set()) else frozenset()


def _moved(findings: Sequence[WatchFinding]) -> list[WatchFinding]:
    """Return one release a component and stack that takes it, as its finding says; see `moves.taken`."""
    return [
        replace(one, stacks=(stack,))
        for one in findings
        if one.kind == "new" and one.of == "component"
        for stack in _takes(one)
    ]


def _takes(finding: WatchFinding) -> Sequence[str]:
    takes = finding.facts.get("takes")
    return takes if isinstance(takes, list) else finding.stacks


def request_of(held: HeldLock) -> Request:
    """Return the request that a lock answers: for its stack, or for its own words where it was worked out."""
    cell = held.cell
    app = cell.get("app", "")
    own = {"app": app, "extra": cell.get("extra", "")}
    if held.stack:
        return Request(torch="", target=held.target, stack=held.stack, extra=own["extra"])
    sglang = "" if app else cell.get(APPLICATION, "")
    return Request(
        torch=cell.get("torch", ""), target=held.target, cann=cell.get("cann", ""), sglang=sglang, **own
    )


def _copied(root: Path, copy: Path) -> Path:
    """Copy what counts in a project folder, its own files over the packaged ones, into a folder that stands alone."""
    for layers in (recipes_of(root), lockfiles_of(root)):
        for name, path in layers.named("**/*").items():
            if path.is_file():
                target = copy / layers.own.name / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    return copy


def _move(path: Path, component: str, version: str) -> None:
    """Write a component's version into a stack file, and leave the rest as it is.

    Raises:
        StackUnchangedError: The file has not exactly one such line.
    """
    text = path.read_bytes().decode("utf-8")  # with the ends of its lines, which may be those of Windows
    line = re.compile(rf'^("?{re.escape(component)}"?\s*=\s*)"[^"\n]*"', re.MULTILINE)
    changed, count = line.subn(lambda found: f'{found[1]}"{version}"', text)
    if count != 1:
        raise StackUnchangedError(
            f"recipes/stacks/{path.name} names {component} on {count} lines, and one was expected.",
            why='Only a line of its own, `name = "version"`, is changed by itself.',
            next_step=f"write {component} {version} into it, then for each of its locks: invoke lock --upgrade {CELL}",
        )
    path.write_bytes(changed.encode("utf-8"))
