"""`invoke wheelhouse`: nothing to do is answered at once, everything else by `make.make`."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_wheelhouse import console
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.node.layout import INSTALLER, installer_digest
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.shared_cache.soundness import require_sound
from ascend_wheelhouse.store.root import default_root

if TYPE_CHECKING:
    from ascend_wheelhouse.cells.recipe import Recipes
    from ascend_wheelhouse.console.times import Times
    from ascend_wheelhouse.make.made import Made


_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class WheelhouseOptions:
    """What `invoke wheelhouse` was asked for.

    Args:
        root: The project folder.
        make: How the wheelhouse is made.
        strict: A pending component is an error.
        check: Hash a finished wheelhouse again instead of trusting its time stamps.
        dry_run: Show the plan and stop.
        retry: Ask again for what is pending.
        cache: Shared caches.
        json: Print one JSON document a line.
        profile: The page for the times of the run, with a trace beside it.
    """

    root: Path
    make: MakeOptions
    strict: bool = False
    check: bool = False
    dry_run: bool = False
    retry: bool = False
    cache: CacheChoice = field(default_factory=CacheChoice)
    json: bool = False
    profile: Path | None = None


def main(options: WheelhouseOptions) -> None:
    """Make a wheelhouse, or say that it is there."""
    if options.dry_run:
        _show_plan(options)
        return
    state = freshness.state_file(options.make.output, options.make.asked)
    found = _finished(options, state)
    if found is None:
        _tell_changed(freshness.changed(state, output=options.make.output))
        found = _make(options, state)
    elif options.check:
        _check(found, json=options.json)
    else:
        _say_finished(found, json=options.json)
        _say_kept(options, found)
    _complete_or_raise(options, found)


def _tell_changed(names: list[str]) -> None:
    """Tell what somebody did to the wheelhouse that is made anew: it may be a disk that fails, or a stranger."""
    if names:
        what = forms.counted(len(names), "file")
        shown = forms.listed(names, _SHOWN)
        console.aside(f"note: {what} of the wheelhouse changed since it was made: {shown}")


def _show_plan(options: WheelhouseOptions) -> None:
    from ascend_wheelhouse.commands import plan

    plan.main(
        plan.PlanOptions(
            root=options.root,
            request=options.make.lock.request,
            output=options.make.output,
            form="json" if options.json else "table",
            offline=options.make.offline,
        )
    )


def _finished(options: WheelhouseOptions, state: Path) -> Path | None:
    """Return the finished wheelhouse that answers, if nothing that it was made from has changed."""
    require_sound(options.cache)
    if options.make.lock.upgrade or options.retry:
        return None
    if not options.make.offline and not freshness.is_pushed(state, options.cache.pushed_to):
        return None
    if options.make.audit and not freshness.is_audited(state):
        return None
    return freshness.fresh(state, root=options.root, store=default_root(), output=options.make.output)


def _make(options: WheelhouseOptions, state: Path) -> Path:
    from ascend_wheelhouse.base.timed import timed
    from ascend_wheelhouse.console.times import Times
    from ascend_wheelhouse.make.project_folder import ProjectFolder
    from ascend_wheelhouse.make.remembered import make_and_remember
    from ascend_wheelhouse.pages.profile import profiled
    from ascend_wheelhouse.shared_cache.backed_store import store_with

    given = freshness.given_digest(options.root, default_root())
    with (
        console.reporter("json" if options.json else "auto") as told,
        profiled(told, options.profile, "wheelhouse") as emit,
        store_with(options.cache, emit, offline=options.make.offline) as store,
    ):
        times = Times(emit)
        with timed(emit, "resolve", "recipes and stacks"):
            folder = ProjectFolder.load(options.root)
        made = make_and_remember(options.make, folder, store=store, emit=times, given=given)
    if store.behind is not None and store.behind.took_all:
        freshness.remember_pushed(state, options.cache.pushed_to)
    _close(made, folder.recipes, times, json=options.json)
    return made.folder


def _close(made: Made, recipes: Recipes, times: Times, *, json: bool) -> None:
    """Print the closing table: what came from where, what is pending, where the wheelhouse is."""
    if json:
        _say_finished(made.folder, json=True)
        return
    files: list[dict[str, Any]] = made.manifest.as_dict()["files"]
    wheels = [entry for entry in files if entry["kind"] == "wheel"]
    others = [entry for entry in wheels if entry["component"] not in recipes]
    named = [entry for entry in files if entry["component"] in recipes]
    rows = [_row(entry, times) for entry in named if entry["kind"] == "wheel"]
    rows.append([forms.counted(len(others), "more wheel"), "", "index", _together(others), ""])
    rows += [_row(entry, times) for entry in named if entry["kind"] == "payload"]
    console.table(["component", "version", "origin", "size", "time"], rows)
    for entry in wheels:
        if entry["note"]:
            console.line(f"note: {Path(entry['path']).name}: {entry['note']}")
    console.line(_audit_line(made))
    _say_finished(made.folder, json=False)


def _row(entry: Mapping[str, Any], times: Times) -> list[str]:
    of_installer = entry["path"].startswith("tools/")
    name = f"{entry['component']} (for install.py)" if of_installer else entry["component"]
    return [name, entry["version"], entry["origin"], forms.size(entry["size"]), _took(entry, times)]


def _together(entries: Iterable[Mapping[str, Any]]) -> str:
    return forms.size(sum(entry["size"] for entry in entries))


def _took(entry: Mapping[str, Any], times: Times) -> str:
    """Its download or build; what was in the store before took no time."""
    built = [entry["component"]] if entry["origin"] in {"sdist", "git"} else []
    return times.of(Path(entry["path"]).name, *built) or "cached"


def _audit_line(made: Made) -> str:
    if made.report is None:
        return "audit: left out"
    from ascend_wheelhouse.audit.render import summary

    folder = shlex.quote(str(made.folder))
    more = f" (`invoke audit --wheelhouse {folder}` lists them)" if made.report.findings else ""
    return f"audit: {summary(made.report)}{more}"


def _say_finished(folder: Path, *, json: bool) -> None:
    document = _manifest(folder)
    _require_installer(folder, document)
    if json:
        answer = {
            key: document[key] for key in ("stack", "platform", "complete", "derived", "cell", "pending")
        }
        installer = installer_digest(document["files"])
        result = {**answer, "event": "result", "installer": installer, "path": str(folder)}
        console.print_json(result, indent=None)
        return
    if document["derived"]:
        console.line("This cell is derived: no stack lists it.")
    for note in document["notes"]:
        console.line(f"note: {note}")
    if document["pending"]:
        console.line("\nPending, the wheelhouse is incomplete without them:")
        console.records(
            ["component", "why", "from", "how"],
            [
                [item["component"], item["reason"], " ".join(item.get("urls", ())), item["supply"]]
                for item in document["pending"]
            ],
        )
    wheels = [entry for entry in document["files"] if entry["kind"] == "wheel"]
    state = "complete" if document["complete"] else f"incomplete, {len(document['pending'])} pending"
    console.line(f"\n{folder}: {forms.counted(len(wheels), 'wheel')}, {_together(wheels)}, {state}")
    console.line(forms.installer(installer_digest(document["files"])))


def _require_installer(folder: Path, document: Mapping[str, Any]) -> None:
    """Hold `install.py` to the digest that is about to be told: people write it down and compare it on the node."""
    from ascend_wheelhouse.node import documents

    told = installer_digest(document["files"])
    try:
        found = hashlib.sha256(documents.bytes_of(folder / INSTALLER)).hexdigest() if told else ""
    except OSError:
        found = "none"
    if found != told:
        from ascend_wheelhouse.folder.check import SumsMismatchError

        raise SumsMismatchError(
            f"{folder.name}: {INSTALLER} has the sha256 {found}, and its manifest says {told}.",
            why="It was changed after the wheelhouse was finished. It is what runs on the nodes.",
            next_step=f"rm -r {shlex.quote(str(folder))}, then the same command again: it is laid out from the store",
        )


def _say_kept(options: WheelhouseOptions, folder: Path) -> None:
    """Tell what a run that found nothing to do has left, where a person may expect it."""
    if options.json:
        return
    if _manifest(folder)["pending"]:
        console.line("Nothing has changed, so no server was asked again: --retry asks for what is pending.")
    if options.profile is not None:
        console.line("There was nothing to do, so there are no times; --retry makes it again.")


def _manifest(folder: Path) -> dict[str, Any]:
    from ascend_wheelhouse.node import documents
    from ascend_wheelhouse.node.reading import contents

    try:
        document: dict[str, Any] = documents.read_file(folder / contents.NAME, contents.WHOLE)
    except (OSError, documents.UnsoundError) as error:
        from ascend_wheelhouse.base.errors import IntegrityError

        raise IntegrityError(
            f"{folder / contents.NAME} cannot be read: {error}.",
            why="It was changed after the wheelhouse was finished.",
            next_step=f"rm -r {shlex.quote(str(folder))}, then the same command again: it is laid out from the store",
        ) from error
    return document


def _check(folder: Path, *, json: bool) -> None:
    from ascend_wheelhouse.base import occupied
    from ascend_wheelhouse.folder.check import check_sums

    with (
        console.reporter("json" if json else "auto", stream=sys.stderr) as emit,
        occupied.reading(folder, emit),
    ):
        check_sums(folder, emit)
    _say_finished(folder, json=json)


def _complete_or_raise(options: WheelhouseOptions, folder: Path) -> None:
    if not options.strict:
        return
    from ascend_wheelhouse.base.errors import IncompleteError

    pending = [item["component"] for item in _manifest(folder)["pending"]]
    output = options.make.output
    place = "" if output == options.root / "wheelhouse" else f" --output {shlex.quote(str(output))}"
    if pending:
        raise IncompleteError(
            f"{folder.name} lacks {', '.join(pending)}.",
            why="--strict, or CI in the environment, makes a pending component an error.",
            next_step="supply them as the table above says, or leave --strict away; where CI is set: "
            f"`CI= invoke wheelhouse {{cell}}{place}`",
        )
