"""`invoke watch`: what upstream has published since the locks were made, and what each of it would change."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import SourceUnreachableError, UpstreamMovedError, UsageError, gravest
from ascend_wheelhouse.commands.lock import show_changes
from ascend_wheelhouse.console.words import counted
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.resolve.resolvers import ResolverName
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.watch.apply import Applying
from ascend_wheelhouse.watch.held import HeldLock, WatchChoice, Watched, watched
from ascend_wheelhouse.watch.outcome import ApplyOutcome
from ascend_wheelhouse.watch.view import show
from ascend_wheelhouse.watch.watch import Seen, Watch, named, only


class ApplyOfflineError(UsageError):
    """New locks were asked for without a network."""


class IndexSilentError(SourceUnreachableError):
    """No project at all could be asked for."""


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """What `invoke watch` was asked for.

    Args:
        root: The project folder.
        choice: Which stacks and locks.
        only: Components or projects, separated by commas; None for all.
        vulnerabilities: An exported database of vulnerabilities.
        whole: List every wheel.
        offline: Go by the last answers.
        apply: Make the new locks, and keep them where they pass the audit.
        resolver: Chooses the versions of new locks.
        exit_code: End with 11 where something was found.
        json: Print one JSON document.
    """

    root: Path
    choice: WatchChoice = field(default_factory=WatchChoice)
    only: str | None = None
    vulnerabilities: Path | None = None
    whole: bool = False
    offline: bool = False
    apply: bool = False
    resolver: ResolverName = "pip-tools"
    exit_code: bool = False
    json: bool = False


def main(options: WatchOptions) -> int:
    """Look, print what was found or what was made of it, and return the exit code.

    Raises:
        IndexSilentError: The index did not answer for any project.
        ApplyOfflineError: New locks were asked for without a network.
        UnknownNameError: Nothing that is watched is called what `only` says.
    """
    if options.apply and options.offline:
        raise ApplyOfflineError(
            "--apply and --offline do not go together.",
            why="A new lock is made from what the origins have now.",
            next_step="one of the two",
        )
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit:
        folder = ProjectFolder.load(options.root)
        watch = Watch(
            folder=folder,
            watched=watched(folder, options.choice),
            http=Http(tell=emit),
            store=Store(),
            vulnerabilities=options.vulnerabilities,
            offline=options.offline,
            emit=emit,
        )
        names = named(options.only, watch.names) if options.only is not None else None
        seen = watch.look()
        silent = None if seen.fresh or options.offline else _silent(seen)
        if silent is not None and (options.apply or not seen.asked):
            raise silent
        seen = only(seen, names) if names is not None else seen
        made = _applied(options, watch, seen) if options.apply else None
    unread = watch.watched.unread
    _print(options, seen, made, watch.watched)
    failed = made.failed if made is not None else ()
    told = [*([silent] if silent else []), *(one.error for one in failed), *(one.error for one in unread)]
    if told:
        sys.stdout.flush()
        for error in {one.what: one for one in told}.values():
            console.print_error(error)
        return gravest(one.exit_code for one in told)
    found = any(one.kind != "unreachable" for one in seen.findings)
    return UpstreamMovedError.exit_code if options.exit_code and found else 0


def _print(options: WatchOptions, seen: Seen, made: ApplyOutcome | None, looked_at: Watched) -> None:
    unread, derived = looked_at.unread, [one for one in looked_at.locks if not one.stack]
    if options.json:
        more = {"unread": [one.as_dict() for one in unread], "derived": [one.name for one in derived]}
        console.print_json({**document(seen, made), **more})
    elif made is not None:
        _show_applied(made, seen, options)
    else:
        show(seen, whole=options.whole or bool(options.only))
        _show_derived(derived)
    if unread and not options.json:
        console.line(f"Not looked at, since they cannot be read: {', '.join(one.name for one in unread)}.")


def _show_derived(locks: Sequence[HeldLock]) -> None:
    """Say of which locks no component was compared: no stack names theirs, and a new lock works them out anew."""
    if locks:
        console.line("Of cells that no stack lists, components are not compared; this works them out anew:")
        for one in locks:
            console.line(f"  `invoke lock --upgrade {one.words}`")


def _applied(options: WatchOptions, watch: Watch, seen: Seen) -> ApplyOutcome:
    """Make the locks that the findings touch; without --only components stay, and other wheels move."""
    findings = [one for one in seen.findings if options.only or one.of != "component"]
    every = watched(watch.folder, WatchChoice())
    applying = Applying(
        root=options.root,
        http=watch.http,
        store=watch.store,
        locks=every.locks,
        unread=every.unread,
        until=datetime.fromisoformat(seen.looked) if seen.dated else None,
        resolver=options.resolver,
        alone=options.only is not None,
        emit=watch.emit,
    )
    return applying.apply(findings)


def _show_applied(outcome: ApplyOutcome, seen: Seen, options: WatchOptions) -> None:
    made = outcome.applied
    for one in made:
        console.line(f"lockfiles/{one.folder} ({one.lock.rpartition('/')[2]}):")
        show_changes(list(one.changes))
        old = one.lock.rpartition("/")[0]
        if old != one.folder:
            console.line(f"lockfiles/{old} stays beside it, as it was; remove it once nobody needs it.")
        if one.pending:
            console.line(f"pending: {', '.join(one.pending)}")
        if one.unstated:
            told = "recipes/compatibility.toml has no row that says whether they go with this CANN"
            console.line(f"not known: {', '.join(one.unstated)}: {told}")
        console.line()
    if made:
        console.line(f"{counted(len(made), 'lock')} made anew; each passed the audit.")
    names = [name for one in outcome.failed for name in one.locks]
    if names:
        console.line(f"Not made anew, and as before: {', '.join(names)}.")
    if not (made or outcome.failed):
        _show_nothing_to_do(seen)
    _show_left(outcome, seen, options)
    if seen.unknown:
        console.line(
            f"It is not known whether there is news of {', '.join(seen.unknown)}: `invoke watch` says why."
        )


def _show_nothing_to_do(seen: Seen) -> None:
    files = (one for one in seen.findings if one.of == "wheel" and one.kind in {"yanked", "vanished"})
    spoiled = dict.fromkeys(one.component for one in files)
    same = f"the locks that were made anew name the same files; nothing replaces {', '.join(spoiled)} there"
    console.line(f"Nothing to do: {same if spoiled else 'nothing that was found asks for a new lock'}.")


def _show_left(outcome: ApplyOutcome, seen: Seen, options: WatchOptions) -> None:
    """Name the components that have news and did not move; where --only named them, a failure is told by itself."""
    moved = {name for one in outcome.applied for name in (change.name for change in one.changes)}
    news = (one for one in seen.findings if one.kind == "new" and one.of == "component" and one.locks)
    left = ", ".join(dict.fromkeys(one.component for one in news if one.component not in moved))
    if left and options.only is None:
        console.line(f"Of {left} there are new releases; a component moves when --only names it.")
    elif left and not outcome.failed:
        console.line(f"Of {left} there are new releases that no new lock took.")


def document(seen: Seen, made: ApplyOutcome | None = None) -> dict[str, object]:
    """Return what `--json` prints; `applied` and `failed` are null where no lock was asked for."""
    return {
        **({"applied": None, "failed": None} if made is None else made.as_dict()),
        "findings": [one.as_dict() for one in seen.findings],
        "counts": dict(Counter(one.kind for one in seen.findings)),
        "unknown": list(seen.unknown),
        "asked": seen.asked,
        "since": seen.since,
        "needs_unread": seen.unread,
    }


def _silent(seen: Seen) -> IndexSilentError:
    reasons = (
        one.text for one in seen.findings if one.kind == "unreachable" and one.facts["place"] == "index"
    )
    return IndexSilentError(
        "The index could not be asked for any project.",
        why=next(reasons, "Nothing that is watched is on an index."),
        next_step="check `pip config list` and the network; `invoke watch --offline` goes by the last answers",
    )
