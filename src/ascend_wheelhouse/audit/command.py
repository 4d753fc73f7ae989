"""What `invoke audit` was asked for: where the wheels are and what they are held to."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ascend_wheelhouse.audit import host_symbols
from ascend_wheelhouse.audit.policy import AuditPolicy, policy_from_recipes
from ascend_wheelhouse.audit.readers import WheelInput
from ascend_wheelhouse.audit.report import AuditReport
from ascend_wheelhouse.audit.runner import audit_wheels
from ascend_wheelhouse.base import occupied
from ascend_wheelhouse.base.cell_words import stated_words
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.packaged import recipes_of
from ascend_wheelhouse.base.shared import shared
from ascend_wheelhouse.base.whole_file import reading
from ascend_wheelhouse.cells.artefact_name import wheel_distribution
from ascend_wheelhouse.cells.compatibility import Compatibility, load_compatibility
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.cells.stack import Catalogue, load_catalogue
from ascend_wheelhouse.cells.target import MACHINES, Target
from ascend_wheelhouse.console.words import be, counted, listed
from ascend_wheelhouse.folder import manifest
from ascend_wheelhouse.locks.lock import BadLockError
from ascend_wheelhouse.locks.pylock import LockedFile, ParsedPylock, load_pylock
from ascend_wheelhouse.locks.stated_cell import naming_cell
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.node.layout import SUMS
from ascend_wheelhouse.store.store import Store

_WHEEL = ".whl"
_BUILT = {"git", "sdist"}


class NothingToAuditError(UsageError):
    """No wheel was named, or a path that was named is not there."""


class ManyWheelhousesError(UsageError):
    """A folder of wheelhouses was named: each is for a cell of its own."""


@dataclass(frozen=True, kw_only=True)
class AuditRequest:
    """What `invoke audit` was asked for.

    Args:
        paths: Wheels, or folders of wheels.
        wheelhouse: A wheelhouse with its manifest, or a plain folder.
        lock: A `pylock.<platform>.toml` whose wheels are beside it or in the store.
        cann_root: An installed CANN, whose symbols are compared and kept.
        platform: The target's machine; read off the manifest or the wheels when empty.
        npu: The target's chip, where no manifest says it.
        alone: Judge how the wheels fit each other, and not whether everything is there that they need.
    """

    paths: tuple[Path, ...] = ()
    wheelhouse: Path | None = None
    lock: Path | None = None
    cann_root: Path | None = None
    platform: str = ""
    npu: str = "a3"
    alone: bool = False

    @classmethod
    def of(cls, *named: Path, **options: Any) -> AuditRequest:  # noqa: ANN401 - the arguments of this class
        """Return what was asked for, where one path behind `--` may be a wheelhouse as well."""
        if len(named) == 1 and not (options.get("wheelhouse") or options.get("lock")) and _is_house(named[0]):
            return cls(**options | {"wheelhouse": named[0]})
        return cls(paths=named, **options)

    @property
    def judged_alone(self) -> str:
        """The command that judges the same wheels alone; empty where they are a whole set by what names them."""
        if self.alone or self.wheelhouse is not None or self.lock is not None:
            return ""
        options = ["--platform", self.platform] if self.platform else []
        options += ["--npu", self.npu] if self.npu != "a3" else []
        return shlex.join(["invoke", "audit", "--pair", *options, "--", *map(str, self.paths)])


def audit(request: AuditRequest, *, root: Path, emit: Emit, store: Store | None = None) -> AuditReport:
    """Audit what was asked for.

    Args:
        request: Where the wheels are.
        root: The project folder with `recipes/`.
        emit: Told of the progress.
        store: Where facts are kept.

    Raises:
        NothingToAuditError: There is no wheel to read.
        NoCannError: The folder given as CANN holds no library for the target.
    """
    store = store or Store()
    with store.in_use(emit), _kept(request.wheelhouse, emit):
        wheels, document = _wheels(request, store)
        policy = replace(_policy(root, _target(wheels, document, request), document), alone=request.alone)
        return audit_wheels(wheels, _with_host_symbols(policy, request.cann_root, store), store, emit)


def _kept(wheelhouse: Path | None, emit: Emit) -> AbstractContextManager[None]:
    """Keep writers away from the wheelhouse that is read."""
    return nullcontext() if wheelhouse is None else occupied.reading(wheelhouse, emit)


def audit_folder(folder: Path, *, root: Path, store: Store, emit: Emit) -> AuditReport:
    """Audit a wheelhouse that has a manifest: what `invoke wheelhouse` does at its end."""
    return audit(AuditRequest(wheelhouse=folder), root=root, emit=emit, store=store)


def _wheels(request: AuditRequest, store: Store) -> tuple[list[WheelInput], Mapping[str, Any]]:
    wheelhouse = request.wheelhouse
    document: Mapping[str, Any] = {}
    found: list[WheelInput] = []
    if wheelhouse is not None and _is_house(wheelhouse):
        document = manifest.read(wheelhouse)
        found += _of_house(wheelhouse, document)
    elif wheelhouse is not None and not wheelhouse.is_dir():
        raise manifest.absent(wheelhouse)
    elif wheelhouse is not None:
        found += _below([wheelhouse])
    if request.lock is not None:
        lock = _lock(request.lock)
        document = document or _stated(lock)
        found += [_locked(one, request.lock.parent / "wheels", store) for one in lock.files]
    found += _below(request.paths)
    if absent := [wheel.filename for wheel in found if not wheel.path.is_file()]:
        raise NothingToAuditError(
            f"{counted(len(absent), 'wheel')} {be(len(absent))} not there: {listed(absent, 3)}.",
            next_step=_bringing(document, wheelhouse),
        )
    if not found:
        raise NothingToAuditError(
            "There is no wheel to audit.",
            next_step="`invoke audit --wheelhouse FOLDER`, or `invoke audit -- WHEEL_OR_FOLDER`",
        )
    return found, document


def _lock(path: Path) -> ParsedPylock:
    if not path.is_file():
        raise NothingToAuditError(
            f"There is no lock {path}.",
            next_step="name a pylock.PLATFORM.toml below lockfiles/; `invoke lock {cell}` makes one",
        )
    with naming_cell(path), reading(path.parent):
        return load_pylock(path)


def _bringing(document: Mapping[str, Any], wheelhouse: Path | None) -> str:
    """Return what brings wheels that are not there."""
    if not document.get("cell"):
        return "check the paths; folders of wheels may be named too"
    words = stated_words(document["cell"])
    if wheelhouse is not None:
        return f"`invoke wheelhouse {words}` makes the wheelhouse anew, from the store where that has them"
    return f"`invoke fetch {words}` brings the wheels of the lock into the store"


def _below(paths: Iterable[Path]) -> list[WheelInput]:
    found = []
    for path in paths:
        if path.is_file() and path.suffix != _WHEEL:
            raise NothingToAuditError(
                f"{path} is no wheel: its name does not end with {_WHEEL}.",
                next_step="name wheels or folders of wheels behind `--`, or `--wheelhouse FOLDER`, or `--lock FILE`",
            )
        if _is_house(path):
            found += _of_house(path, manifest.read(path))
        else:
            found += [_input(one) for one in (_wheels_below(path) if path.is_dir() else [path])]
    return found


def _is_house(folder: Path) -> bool:
    return (folder / manifest.NAME).exists()


def _of_house(folder: Path, document: Mapping[str, Any]) -> list[WheelInput]:
    """Return the wheels that a wheelhouse installs: others lie in it as tools, and as what builds its sources."""
    return [_input(folder / path) for path in manifest.wheels(document)]


def _wheels_below(folder: Path) -> list[Path]:
    """Return the wheels below a folder; one that this user may not look into is an error: its wheels are not proven.

    Raises:
        ManyWheelhousesError: Wheelhouses stand in it.
    """

    def unlistable(error: OSError) -> None:
        raise error

    found, houses = [], []
    for place, _, names in os.walk(folder, onerror=unlistable):
        found += [Path(place, name) for name in names if name.endswith(_WHEEL)]
        if {manifest.NAME, SUMS}.issubset(names):
            houses.append(Path(place))
    if houses:
        raise ManyWheelhousesError(
            f"{folder} is no wheelhouse, and has {counted(len(houses), 'wheelhouse')} in it.",
            why="Each is judged by itself, for the cell that its manifest states.",
            next_step=f"`invoke audit --wheelhouse {shlex.quote(str(min(houses)))}`",
        )
    return sorted(found)


def _locked(one: LockedFile, beside: Path, store: Store) -> WheelInput:
    here = beside / one.filename
    kept = here if here.is_file() or not one.sha256 else store.path(one.sha256)
    return WheelInput(path=kept, filename=one.filename)


def _stated(lock: ParsedPylock) -> Mapping[str, Any]:
    """Return what a lock says of its cell and its files in the form of a manifest."""
    if fault := documents.fault(lock.tool, {"cell?": {...: str}, "derived?": bool}):
        raise BadLockError(
            f"The lock says of its cell what cannot be: {fault}.",
            why="It was edited by hand, or written by another version of this tool.",
            next_step="restore it from git, or make it again: `invoke lock --upgrade {cell}`",
        )
    cell = dict(lock.tool.get("cell", {}))
    files = [
        {"path": one.filename, "kind": "wheel", "origin": one.origin, "note": one.note} for one in lock.files
    ]
    derived = bool(lock.tool.get("derived"))
    return {"cell": cell, "platform": cell.get("machine", ""), "derived": derived, "files": files}


def _input(path: Path) -> WheelInput:
    return WheelInput(path=path, filename=path.name)


def _target(wheels: Sequence[WheelInput], document: Mapping[str, Any], request: AuditRequest) -> Target:
    """Return the target of the manifest, else the one whose machine most wheels name."""
    cell = document.get("cell", {})
    votes = {machine: sum(machine in wheel.filename for wheel in wheels) for machine in MACHINES}
    machine = request.platform or document.get("platform") or max(votes, key=votes.__getitem__)
    target = Target.named(machine, cell.get("npu", request.npu))
    glibc, python = _pair(cell.get("glibc"), target.glibc), _pair(cell.get("python"), target.python)
    return replace(target, glibc=glibc, python=python)


def _pair(text: str | None, default: tuple[int, int]) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", text or "")
    return (int(found[1]), int(found[2])) if found else default


@shared
def _read_recipes(root: Path) -> tuple[Catalogue, Compatibility]:
    recipes = recipes_of(root)
    return load_catalogue(recipes), load_compatibility(recipes)


def _policy(root: Path, target: Target, document: Mapping[str, Any]) -> AuditPolicy:
    catalogue, table = _read_recipes(root)
    policy = policy_from_recipes(
        catalogue,
        table,
        target,
        cell=document.get("cell", {}),
        derived=bool(document.get("derived")),
    )
    wheels = [entry for entry in document.get("files", ()) if entry["kind"] == "wheel"]
    return replace(
        policy,
        pending=_pending(document, catalogue.recipes),
        built_here=frozenset(
            wheel_distribution(Path(entry["path"]).name) for entry in wheels if entry.get("origin") in _BUILT
        ),
        origins={Path(entry["path"]).name: entry.get("origin") or "" for entry in wheels},
        yanked={
            Path(entry["path"]).name: entry["note"]
            for entry in wheels
            if (entry.get("note") or "").startswith("yanked")
        },
    )


def _pending(document: Mapping[str, Any], recipes: Recipes) -> dict[str, str]:
    """Return the import names of components that a manifest has as pending, or of which a lock has no wheel."""
    names = {wheel_distribution(Path(one["path"]).name) for one in document.get("files", ())}
    cell = {key.replace("_", "-") for key in document.get("cell", {})}
    absent = [one for one in recipes.values() if one.kind == "wheel" and one.distribution not in names]
    if "pending" in document:
        cell = {one["component"] for one in document["pending"]}
    return {module: one.name for one in absent if one.name in cell for module in one.imports}


def _with_host_symbols(policy: AuditPolicy, cann_root: Path | None, store: Store) -> AuditPolicy:
    machine = policy.target.machine
    if cann_root is None:
        return replace(policy, host_symbols=host_symbols.kept(store, policy.cell.get("cann", ""), machine))
    symbols = host_symbols.read_host_symbols(cann_root, machine)
    if version := host_symbols.cann_version(cann_root):
        host_symbols.keep(store, version, machine, symbols)
    return replace(policy, host_symbols=symbols)
