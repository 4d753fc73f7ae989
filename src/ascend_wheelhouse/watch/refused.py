"""What is told of a new lock that the audit refused: its defects, what it would have moved, and what keeps them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.utils import canonicalize_name

from ascend_wheelhouse.audit.report import AuditReport, Finding
from ascend_wheelhouse.base.errors import AuditError, SourceUnreachableError, UsageError
from ascend_wheelhouse.cells.stack import Stack
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.locks.lock_diff import Change
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.lost_components import ComponentLostError
from ascend_wheelhouse.node.errors import CELL
from ascend_wheelhouse.watch.held import HeldLock
from ascend_wheelhouse.watch.moves import of_two_releases

_SHOWN = 3


class NotKeptError(AuditError):
    """A new lock did not pass the audit; the old one is as it was."""


class TwoReleasesError(UsageError):
    """Components that are released for each other would stand in one stack with versions that are not."""


class LesserBuildError(SourceUnreachableError):
    """A new lock would have a worse build of a component than the old one; the old one is as it was."""


def hold_builds(held: HeldLock, lesser: Iterable[LockedFile]) -> None:
    """Refuse a new lock that takes a recipe's way out where the old one did not: its better index was silent today.

    Args:
        held: The lock as it was.
        lesser: The new lock's wheels that are such a way out.

    Raises:
        LesserBuildError: It does.
    """
    before = {one.name: one for one in held.lock.wheels}
    worse = [one for one in lesser if one.name in before and before[one.name].note != one.note]
    if not worse:
        return
    told = ", ".join(f"{one.filename} in place of {before[one.name].filename}" for one in worse)
    raise LesserBuildError(
        f"The new lock of {held.name} would take {told}, and the old one is as it was.",
        why=" ".join(f"{one.name}: {one.note}." for one in worse),
        next_step="reach the index of the old build (or name a mirror of it in mirrors.toml), then the same command "
        f"again; `invoke lock --upgrade {held.words}` takes the other build",
    )


def hold_together(stacks: Iterable[Stack]) -> None:
    """Refuse a stack in which a component moved without the one that is released for it.

    Raises:
        TwoReleasesError: One did.
    """
    for stack in stacks:
        if apart := of_two_releases({**stack.optional, **stack.components}):
            raise TwoReleasesError(
                f"{stack.name} would have {apart}, which are not for each other; it is as it was.",
                why="Each release of vllm-ascend is for the vLLM release of its version.",
                next_step="the same command once both are there in one version, or write the two versions into "
                f"recipes/stacks/{stack.name}.toml, then for each of its locks: invoke lock --upgrade {CELL}",
            )


def hold_complete(held: HeldLock, made: Lock) -> None:
    """Refuse a new lock that lacks what the old one has, as where the release that a stack pins is gone.

    Raises:
        ComponentLostError: It does.
    """
    before = {one.component for one in held.lock.pending}
    lost = [one for one in made.pending if one.component not in before]
    if not lost:
        return
    names = ", ".join(one.component for one in lost)
    stack = f"another release in recipes/stacks/{held.stack}.toml, or " if held.stack else ""
    raise ComponentLostError(
        f"The new lock of {held.name} would lack {names}, and the old one is as it was.",
        why=" ".join(f"{one.component}: {one.reason}." for one in lost),
        next_step=f"{stack}`invoke vendor FILE` with a copy that somebody kept, then the same command again",
    )


def not_kept(held: HeldLock, report: AuditReport, changes: Sequence[Change]) -> NotKeptError:
    """Return the error of a lock that the audit refused, with what is at fault and what keeps it out.

    Args:
        held: The lock as it was.
        report: The audit of the new one.
        changes: What the new one would have moved.
    """
    errors = [one for one in report.findings if one.severity == "error"]
    told = " ".join(f"{_told(one)}." for one in errors[:_SHOWN])
    more = f" And {len(errors) - _SHOWN} more." if len(errors) > _SHOWN else ""
    changed = ", ".join(f"{one.name} {one.before or '-'} -> {one.after or '-'}" for one in changes)
    return NotKeptError(
        f"The new lock of {held.name} did not pass the audit, and the old one is as it was. {told}{more}",
        why=f"It would have moved {changed or 'nothing'}.",
        next_step=_way_out(held, errors, changes),
    )


def _told(defect: Finding) -> str:
    named = ", ".join(defect.details[:_SHOWN])
    more = f" and {len(defect.details) - _SHOWN} more" if len(defect.details) > _SHOWN else ""
    return f"{defect.subject}: {defect.message}{f' ({named}{more})' if named else ''}"


def _way_out(held: HeldLock, defects: Sequence[Finding], changes: Sequence[Change]) -> str:
    """Return what keeps a release out that the audit names, or how to see what has to move together."""
    files = {canonicalize_name(one.wheel.partition("-")[0]) for one in defects if one.wheel}
    own = {canonicalize_name(name) for name in held.cell}
    faulty = [one for one in changes if one.after and one.name in files - own]
    if not (faulty and held.stack):
        return "`invoke watch --only COMPONENT` says what has to move together"
    bounds = ", ".join(f'"{one.name}!={one.after}"' for one in faulty)
    keep = "keeps it" if len(faulty) == 1 else "keep them"
    return f"{bounds} in `constraints` of recipes/stacks/{held.stack}.toml {keep} out, then the same command again"
