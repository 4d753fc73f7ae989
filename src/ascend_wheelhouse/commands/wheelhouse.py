"""`invoke wheelhouse`: nothing to do is answered at once, everything else by `wheelhouse.make`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_wheelhouse import console, freshness
from ascend_wheelhouse.console import words as forms

if TYPE_CHECKING:
    from ascend_wheelhouse.console.times import Times
    from ascend_wheelhouse.wheelhouse import Made, Options
    from ascend_wheelhouse.workspace import Workspace

_CI_OFF = {"", "0", "false"}


def main(
    root: Path,
    *,
    words: Mapping[str, str],
    offline: bool = False,
    strict: bool = False,
    upgrade: bool = False,
    check: bool = False,
    dry_run: bool = False,
    retry: bool = False,
    audit: bool = True,
    sandbox: bool = True,
    container: str = "",
    json: bool = False,
) -> None:
    """Make a wheelhouse, or say that it is there; see `tasks.wheelhouse` for the words."""
    strict = strict or os.environ.get("CI", "").lower() not in _CI_OFF
    with console.main_guard(json=json):
        if dry_run:
            from ascend_wheelhouse.commands import plan

            plan.main(root, words=words, form="json" if json else "table")
            return
        output = Path(words["output"]) if words.get("output") else root / "wheelhouse"
        room = ({} if sandbox else {"sandbox": "none"}) | ({"container": container} if container else {})
        state = output / ".state" / f"{freshness.request_key({**words, **room})}.json"
        found = (
            None
            if upgrade or retry
            else freshness.fresh(state, root=root, store=_store_root(), output=output)
        )
        if found is not None and not check:
            _say_finished(found, json=json)
        elif found is not None:
            _check(found, json=json)
        else:
            from ascend_wheelhouse.commands.options import options_of

            options = options_of(words, output, upgrade=upgrade, audit=audit)
            made_in = Room(offline=offline, sandbox=sandbox, container=container)
            found = _make(root, options, state, made_in, json=json)
        _complete_or_raise(found, strict=strict)


def _store_root() -> Path:
    from ascend_wheelhouse.store import default_root

    return default_root()


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a run may use: the network, a sandbox, an image to build in; see `Workspace`."""

    offline: bool
    sandbox: bool
    container: str


def _make(root: Path, options: Options, state: Path, made_in: Room, *, json: bool) -> Path:
    from ascend_wheelhouse.console.times import Times
    from ascend_wheelhouse.wheelhouse import make
    from ascend_wheelhouse.workspace import Workspace

    with console.reporter("json" if json else "auto") as emit:
        times = Times(emit)
        workspace = Workspace(root=root, emit=times, **vars(made_in))
        made = make(workspace, options)
    folder = workspace.lock_folder(made.cell)
    digest = freshness.inputs_digest(root, workspace.store.root, folder)
    freshness.remember(state, folder=made.folder, lock_folder=folder, digest=digest)
    _close(made, workspace, times, json=json)
    return made.folder


def _close(made: Made, workspace: Workspace, times: Times, *, json: bool) -> None:
    """Print the closing table: what came from where, what is pending, where the wheelhouse is."""
    if json:
        _say_finished(made.folder, json=True)
        return
    recipes = workspace.catalogue.recipes
    document = made.manifest.as_dict()
    rows = [
        [entry["component"], entry["version"], _origin(entry), forms.size(entry["size"]), _took(entry, times)]
        for entry in document["files"]
        if entry["component"] in recipes and entry["kind"] in {"wheel", "payload"}
    ]
    others = [entry for entry in document["files"] if entry["kind"] == "wheel" and not entry["component"]]
    total = sum(entry["size"] for entry in others)
    rows.append([f"and {len(others)} more wheels", "", "index", forms.size(total), ""])
    console.table(["component", "version", "origin", "size", "time"], rows)
    console.line(_audit_line(made))
    _say_finished(made.folder, json=False)


def _took(entry: Mapping[str, Any], times: Times) -> str:
    """Its download or build; what was in the store before took no time."""
    built = [entry["component"]] if entry["origin"] in {"sdist", "git"} else []
    return times.of(Path(entry["path"]).name, *built) or "cached"


def _audit_line(made: Made) -> str:
    if made.report is None:
        return "audit: left out"
    warnings = len(made.report.of("warning"))
    more = f", {warnings} warnings (`invoke audit --wheelhouse {made.folder}` lists them)" if warnings else ""
    return f"audit: the wheels fit together{more}"


def _origin(entry: Mapping[str, Any]) -> str:
    return (
        f"{entry['origin']} ({entry['note']})"
        if entry["note"] and entry["kind"] == "wheel"
        else entry["origin"]
    )


def _say_finished(folder: Path, *, json: bool) -> None:
    document = _manifest(folder)
    if json:
        answer = {
            key: document[key] for key in ("stack", "platform", "complete", "derived", "cell", "pending")
        }
        console.print_json({**answer, "event": "result", "path": str(folder)}, indent=None)
        return
    if document["derived"]:
        console.line("This cell is derived: no stack lists it.")
    for note in document["notes"]:
        console.line(f"note: {note}")
    if document["pending"]:
        rows = [[item["component"], item["reason"], item["supply"]] for item in document["pending"]]
        console.line("\nPending, the wheelhouse is incomplete without them:")
        console.table(["component", "why", "what supplies it"], rows)
    wheels = sum(entry["kind"] == "wheel" for entry in document["files"])
    console.line(f"\n{folder}: {wheels} wheels, {'complete' if document['complete'] else 'incomplete'}")


def _manifest(folder: Path) -> dict[str, Any]:
    from ascend_wheelhouse.node import contents, documents

    try:
        document: dict[str, Any] = documents.read((folder / contents.NAME).read_bytes(), contents.WHOLE)
    except (OSError, documents.UnsoundError) as error:
        from ascend_wheelhouse.errors import IntegrityError

        raise IntegrityError(
            f"{folder / contents.NAME} cannot be read: {error}.",
            why="It was changed after the wheelhouse was finished.",
            next_step=f"rm -r {shlex.quote(str(folder))}, then the same command again: it is laid out from the store",
        ) from error
    return document


def _check(folder: Path, *, json: bool) -> None:
    from ascend_wheelhouse.check import check_sums

    with console.reporter("json" if json else "auto", stream=sys.stderr) as emit:
        check_sums(folder, emit)
    _say_finished(folder, json=json)


def _complete_or_raise(folder: Path, *, strict: bool) -> None:
    if not strict:
        return
    from ascend_wheelhouse.errors import IncompleteError

    pending = [item["component"] for item in _manifest(folder)["pending"]]
    if pending:
        raise IncompleteError(
            f"{folder.name} lacks {', '.join(pending)}.",
            why="--strict, or CI in the environment, makes a pending component an error.",
            next_step="supply them as the table above says, or leave --strict away",
        )
