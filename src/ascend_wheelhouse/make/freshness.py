"""Knowing at once that there is nothing to do.

After a wheelhouse is finished, a small state file keeps what it was made from (a digest over recipes, lock,
imported files, mirrors, this tool with its audit, and the installer that it puts in) and each file's size and time
stamp. The next run compares those and re-reads nothing; `--check` re-hashes everything instead. What a run is made from
is digested before that is read, and its files are looked at before they take their place: what somebody else changes
meanwhile counts as changed. Standard library only, since every run pays for this import.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from ascend_wheelhouse import __version__
from ascend_wheelhouse.audit import rules
from ascend_wheelhouse.base import rights, settings
from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.packaged import lockfiles_of, recipes_of
from ascend_wheelhouse.base.whole_file import reading, write_whole
from ascend_wheelhouse.node import documents

_STATE = {
    "folder": documents.file_name,
    "lock": documents.file_name,
    "inputs": str,
    "files": {...: [int]},
    "audit?": {...: int},
    "pushed?": [str],  # of earlier versions, with the logins of its URLs; not read
    "given?": {...: int},
}
Stamps = Mapping[str, list[int]]
"""Size in bytes and modification time in ns of each file of a wheelhouse."""
_GIVEN_SECONDS = 7 * 86_400
_CLOCK = SystemClock()
_NODE = Path(__file__).parents[1] / "node"
_PAGES = _NODE.parent / "pages"
_INSTALLER = _NODE.parent / "folder/installer.py"


def request_key(asked: Mapping[str, object]) -> str:
    """Return the name of the state file for what a run was asked for; see `MakeOptions.asked`."""
    return hashlib.sha256(json.dumps(dict(asked), sort_keys=True).encode()).hexdigest()[:24]


def digest_files(paths: Iterable[Path], root: Path) -> str:
    """Return one digest over files (name and content), hidden ones aside, in the order of their names below `root`."""
    shown = sorted(path for path in paths if not path.name.startswith("."))
    return _digest({path.relative_to(root).as_posix(): path for path in shown})


def _digest(named: Mapping[str, Path]) -> str:
    """Return one digest over files, by the names that they count under."""
    hasher = hashlib.sha256(__version__.encode())
    for name, path in named.items():
        hasher.update(f"\0{name}\0".encode())
        hasher.update(documents.bytes_of(path))
    return hasher.hexdigest()


def recipes_digest(folder: Path | Layered) -> str:
    """Return the digest of everything below `recipes/` that can change a lock or a build."""
    named = Layered.of(folder).named("**/*")
    return _digest({name: path for name, path in named.items() if path.suffix in {".toml", ".patch"}})


def given_digest(root: Path, store: Path) -> str:
    """Return the digest of everything but the lock that a wheelhouse is made from.

    Args:
        root: The project folder, with `recipes/` and maybe `mirrors.toml`.
        store: The store's root; its `vendored/` folder holds the imported files.
    """
    hasher = hashlib.sha256(recipes_digest(recipes_of(root)).encode())
    hasher.update(os.environ.get("WHEELHOUSE_MIRRORS", "").encode())
    hasher.update(_mirrors().encode())
    singles = [path for path in (root / "mirrors.toml",) if path.is_file()]
    hasher.update(_digest_below(store / "vendored").encode())
    hasher.update(digest_files(singles, root).encode())
    hasher.update(digest_files([_INSTALLER], _INSTALLER.parent).encode())
    hasher.update(digest_files(_NODE.rglob("*.py"), _NODE).encode())
    pages = (path for path in _PAGES.rglob("*") if path.suffix in {".py", ".j2", ".css"})
    hasher.update(digest_files(pages, _PAGES).encode())
    hasher.update(rules.digest().encode())
    return hasher.hexdigest()


def _mirrors() -> str:
    """Return the mirrors of the settings as text; nothing where there are none, as before there were settings."""
    named = {place: dict(settings.current().mirrors(place)) for place in ("project", "user")}
    return json.dumps(named, sort_keys=True) if any(named.values()) else ""


def lock_digest(lock_folder: Path | Layered) -> str:
    """Return the digest of a lock, `lockfiles/<stack-id>/`, of one version of each of its files."""
    with ExitStack() as stack:
        for folder in Layered.of(lock_folder).folders:
            stack.enter_context(reading(folder))
        named = Layered.of(lock_folder).named("**/*")
        return _digest({name: path for name, path in named.items() if path.is_file()})


def _digest_below(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    return digest_files(files, folder)


def stamps(folder: Path) -> dict[str, list[int]]:
    """Return size in bytes and modification time in ns of every file below a folder, without what goes meanwhile."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)  # noqa: PTH118 - the walk is the cost of every run
            with suppress(FileNotFoundError):  # another run swaps the folder just now
                status = os.stat(path)  # noqa: PTH116 - as above
                found[os.path.relpath(path, folder)] = [status.st_size, status.st_mtime_ns]
    return found


def state_file(output: Path, asked: Mapping[str, object]) -> Path:
    """Return where the state of the wheelhouse is kept that answers a request; see `MakeOptions.asked`."""
    return output / ".state" / f"{request_key(asked)}.json"


def remember(
    state: Path,
    *,
    folder: Path,
    lock_folder: Path,
    inputs: str,
    files: Stamps,
    audit: Mapping[str, int] | None = None,
) -> None:
    """Keep what a finished wheelhouse was made from and what its files look like.

    Args:
        state: The state file.
        folder: The wheelhouse.
        lock_folder: The lock that it was made by.
        inputs: `inputs_digest` of what it was made from.
        files: `stamps` of what was made.
        audit: How many findings of each severity the audit had; None where there was none.
    """
    rights.make_folder(state.parent.parent, state.parent.name)
    audited = {} if audit is None else {"audit": dict(audit)}
    record = {"folder": folder.name, "lock": lock_folder.name, "inputs": inputs, "files": files, **audited}
    write_whole(state, json.dumps(record, sort_keys=True))


def remember_pushed(state: Path, caches: Sequence[str]) -> None:
    """Add which shared caches have now been given what a finished wheelhouse consists of."""
    if (record := _read(state)) is not None:
        record.pop("pushed", None)
        given = dict.fromkeys(sorted(caches), int(_CLOCK.wall()))
        write_whole(state, json.dumps({**record, "given": given}, sort_keys=True))


def is_pushed(state: Path, caches: Sequence[str]) -> bool:
    """Tell whether shared caches were given what a finished wheelhouse consists of in the last days.

    What was given long ago may be gone: a cache is pruned, emptied, or made anew at the same place.
    """
    given, now = (_read(state) or {}).get("given", {}), int(_CLOCK.wall())
    return all(given.get(name, 0) <= now < given.get(name, 0) + _GIVEN_SECONDS for name in caches)


def audit_of(state: Path) -> dict[str, int] | None:
    """Return how many findings of each severity the audit of a finished wheelhouse had, None where none is known."""
    record = _read(state)
    return None if record is None else record.get("audit")


def is_audited(state: Path) -> bool:
    """Tell whether an audit found no defect in a finished wheelhouse, which `--no-audit` leaves open."""
    counts = audit_of(state)  # of a defect an earlier version made a number alone
    return counts is not None and not counts.get("error")


def inputs_digest(given: str, lock: str) -> str:
    """Return the digest of everything that a wheelhouse is made from."""
    return hashlib.sha256(f"{given} {lock}".encode()).hexdigest()


def fresh(state: Path, *, root: Path, store: Path, output: Path, given: str = "") -> Path | None:
    """Return the finished wheelhouse that answers a request, or None when there is something to do.

    Args:
        state: What is kept of it.
        root: The project folder.
        store: The store's root.
        output: Folder that holds the wheelhouses.
        given: `given_digest` where the caller has it; taken anew when empty.
    """
    record = _read(state)
    if record is None:
        return None
    folder = output / str(record["folder"])
    lock = lock_digest(lockfiles_of(root).below(record["lock"]))
    inputs = inputs_digest(given or given_digest(root, store), lock)
    if inputs != record["inputs"] or stamps(folder) != record["files"]:
        return None
    return folder


def changed(state: Path, *, output: Path) -> list[str]:
    """Return the files of a finished wheelhouse that are no longer as they were left; nothing where it is gone.

    Args:
        state: What is kept of it.
        output: Folder that holds the wheelhouses.
    """
    record = _read(state)
    if record is None or not (output / str(record["folder"])).is_dir():
        return []
    here, left = stamps(output / str(record["folder"])), record["files"]
    return sorted(name for name in {*here, *left} if here.get(name) != left.get(name))


def _read(state: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = documents.read_file(state, _STATE)
    except (OSError, documents.UnsoundError):
        return None
    return record
