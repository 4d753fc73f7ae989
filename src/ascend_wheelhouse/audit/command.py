"""What `invoke audit` was asked for: where the wheels are and what they are held to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ascend_wheelhouse import manifest
from ascend_wheelhouse.artefact_name import wheel_distribution
from ascend_wheelhouse.audit import host_symbols
from ascend_wheelhouse.audit.policy import AuditPolicy, policy_from_recipes
from ascend_wheelhouse.audit.report import AuditReport
from ascend_wheelhouse.audit.runner import WheelInput, audit_wheels
from ascend_wheelhouse.compatibility import load_compatibility
from ascend_wheelhouse.errors import UsageError
from ascend_wheelhouse.events import Emit
from ascend_wheelhouse.lock import BadLockError
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.pylock import LockedFile, ParsedPylock, load_pylock
from ascend_wheelhouse.stack import load_catalogue
from ascend_wheelhouse.store import Store
from ascend_wheelhouse.target import MACHINES, Target

_BUILT = {"git", "sdist"}


class NothingToAuditError(UsageError):
    """No wheel was named, or a path that was named is not there."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What `invoke audit` was asked for.

    Args:
        paths: Wheels, or folders of wheels.
        wheelhouse: A wheelhouse with its manifest, or a plain folder.
        lock: A `pylock.<platform>.toml` whose wheels are beside it or in the store.
        cann_root: An installed CANN, whose symbols are compared and kept.
        platform: The target's machine; read off the manifest or the wheels when empty.
        npu: The target's chip, where no manifest says it.
    """

    paths: tuple[Path, ...] = ()
    wheelhouse: Path | None = None
    lock: Path | None = None
    cann_root: Path | None = None
    platform: str = ""
    npu: str = "a3"


def audit(request: Request, *, root: Path, emit: Emit, store: Store | None = None) -> AuditReport:
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
    wheels, document = _wheels(request, store)
    policy = _policy(root, _target(wheels, document, request), document)
    return audit_wheels(wheels, _with_host_symbols(policy, request.cann_root, store), store, emit)


def audit_folder(folder: Path, *, root: Path, store: Store, emit: Emit) -> AuditReport:
    """Audit a wheelhouse that has a manifest: what `invoke wheelhouse` does at its end."""
    return audit(Request(wheelhouse=folder), root=root, emit=emit, store=store)


def _wheels(request: Request, store: Store) -> tuple[list[WheelInput], Mapping[str, Any]]:
    wheelhouse = request.wheelhouse
    document: Mapping[str, Any] = {}
    found: list[WheelInput] = []
    if wheelhouse is not None and (wheelhouse / manifest.NAME).exists():
        document = manifest.read(wheelhouse)
        found += [_input(wheelhouse / path) for path in manifest.wheels(document)]
    elif wheelhouse is not None:
        found += _below([wheelhouse])
    if request.lock is not None:
        lock = load_pylock(request.lock)
        document = document or _stated(lock)
        found += [_locked(one, request.lock.parent / "wheels", store) for one in lock.files]
    found += _below(request.paths)
    if absent := [wheel.filename for wheel in found if not wheel.path.is_file()]:
        raise NothingToAuditError(
            f"{len(absent)} wheels are not there: {', '.join(absent[:3])}.",
            next_step="`invoke fetch` brings the wheels of a lock into the store",
        )
    if not found:
        raise NothingToAuditError(
            "There is no wheel to audit.",
            next_step="invoke audit --wheelhouse wheelhouse/<name>, or name wheels or folders of them",
        )
    return found, document


def _below(paths: Iterable[Path]) -> list[WheelInput]:
    found = []
    for path in paths:
        found += [_input(one) for one in sorted(path.rglob("*.whl"))] if path.is_dir() else [_input(path)]
    return found


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
            next_step="restore it from git, or make it again: `invoke lock --upgrade`",
        )
    cell = dict(lock.tool.get("cell", {}))
    files = [
        {"path": one.filename, "kind": "wheel", "origin": one.origin, "note": one.note} for one in lock.files
    ]
    derived = bool(lock.tool.get("derived"))
    return {"cell": cell, "platform": cell.get("machine", ""), "derived": derived, "files": files}


def _input(path: Path) -> WheelInput:
    return WheelInput(path=path, filename=path.name)


def _target(wheels: Sequence[WheelInput], document: Mapping[str, Any], request: Request) -> Target:
    """Return the target of the manifest, else the one whose machine most wheels name."""
    cell = document.get("cell", {})
    votes = {machine: sum(machine in wheel.filename for wheel in wheels) for machine in MACHINES}
    machine = request.platform or document.get("platform") or max(votes, key=votes.__getitem__)
    target = Target.named(machine, cell.get("npu", request.npu))
    glibc, python = _pair(cell.get("glibc"), target.glibc), _pair(cell.get("python"), target.python)
    return replace(target, glibc=glibc, python=python)


def _pair(text: str | None, default: tuple[int, int]) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)\.(\d+)", text or "")
    return (int(found[1]), int(found[2])) if found else default


def _policy(root: Path, target: Target, document: Mapping[str, Any]) -> AuditPolicy:
    recipes = root / "recipes"
    policy = policy_from_recipes(
        load_catalogue(recipes),
        load_compatibility(recipes),
        target,
        cell=document.get("cell", {}),
        derived=bool(document.get("derived")),
    )
    wheels = [entry for entry in document.get("files", ()) if entry["kind"] == "wheel"]
    return replace(
        policy,
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


def _with_host_symbols(policy: AuditPolicy, cann_root: Path | None, store: Store) -> AuditPolicy:
    machine = policy.target.machine
    if cann_root is None:
        return replace(policy, host_symbols=host_symbols.kept(store, policy.cell.get("cann", ""), machine))
    symbols = host_symbols.read_host_symbols(cann_root, machine)
    if version := host_symbols.cann_version(cann_root):
        host_symbols.keep(store, version, machine, symbols)
    return replace(policy, host_symbols=symbols)
