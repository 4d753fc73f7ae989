"""What was installed: every file of an environment with its digest, and what stands there now.

The digests come from the `RECORD` of each distribution, which the installer wrote from wheels that had been
checked by hash; files that no RECORD names, and those that two distributions claim, are hashed in place. Byte
code is left out: Python may write it at any time.
"""

from __future__ import annotations

import binascii
import contextlib
import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import durable
from ..errors import HostUnfitError, IntegrityError
from ..place import with_bundle
from ..seen import is_there
from . import shared
from .receipt_file import RECEIPT, SCHEMA, BadReceiptError, read

_SHA256 = "sha256="
_CLOSED = "closed to this user"
_FRESH = f"{RECEIPT}.new"
"""What a run leaves that is killed while it writes a receipt once more."""

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
__all__ = ["BadReceiptError", "read"]  # of the file alone


class EnvironmentChangedError(IntegrityError):
    """An environment is no longer what its receipt says."""


class EnvironmentClosedError(HostUnfitError):
    """Files of an environment are closed to this user, so that nobody knows whether they are as its receipt says."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How an environment differs from its receipt: paths relative to it, or absolute where others share it, sorted.

    Those that are `closed` to this user may be as it says.
    """

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]
    closed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.extra or self.closed)

    def require_none(self, env: Path) -> None:
        """Raise where there is a difference.

        Raises:
            EnvironmentChangedError: There is one; the text names the first files.
            EnvironmentClosedError: This user may not read some, and the others are the same.
        """
        kinds = ("missing", "changed", "extra")
        rows = [(kind, path) for kind in kinds for path in getattr(self, kind)]
        if self.closed and not rows:
            raise EnvironmentClosedError(
                f"{len(self.closed)} file(s) of {env} cannot be read by this user.",
                why="\n".join(_with_target(env, path) for path in self.closed[:10]),
                next_step="the same command with sudo, or as the user who installed it",
            )
        if rows:
            raise EnvironmentChangedError(
                f"{env} differs from its receipt in {len(rows)} file(s).",
                why="\n".join(f"{kind}: {_as_found(env, path)}" for kind, path in rows[:10]),
                next_step=again(env),
            )


def _with_target(env: Path, path: str) -> str:
    place = env / path
    return f"{path} (leads to {place.readlink()})" if place.is_symlink() else path


def _as_found(env: Path, path: str) -> str:
    """Return a path that was not closed to this user, with what is behind it where it is a link."""
    told, place = _with_target(env, path), env / path
    return f"{told[:-1]}, where nothing is)" if place.is_symlink() and not is_there(place) else told


def again(env: Path, *options: str) -> str:
    """Return the command that installs an environment's wheelhouse again, with the key that its receipt names."""
    signer = str(recorded(env).get("signer", ""))
    trust = ["--trusted-key", signer] if _FINGERPRINT.fullmatch(signer) else []
    index = ["--offline-index"] if "pip.conf" in recorded(env).get("files", ()) else []
    python = ["--payloads"] if shared.python_of(env) else []
    python += ["--compile-bytecode"] if recorded(env).get("compiled") else []
    return with_bundle(["--prefix", str(env.parent.parent), "--reinstall", *options, *index, *python, *trust])


def digest_of(path: Path) -> str:
    """Return a file's sha256, or where a symlink points and whether nothing is there; no pipe or device is read."""
    if path.is_symlink():
        return f"link:{path.readlink()}" + ("" if path.exists() else " (nothing is there)")
    if not path.is_file():
        return "no regular file"
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def site_packages(env: Path) -> Path:
    """Return the folder that an environment's distributions stand in."""
    return next(env.glob("lib/python3.*/site-packages"))


def canonical(name: str) -> str:
    """Return a distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def claims(env: Path, only: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (path below the environment, sha256 or empty, distribution) for each row of each RECORD.

    Args:
        env: The environment.
        only: The one distribution to read; all where empty.
    """
    site = site_packages(env)
    base = str(site.relative_to(env))
    for record in sorted(site.glob("*.dist-info/RECORD")):
        owner = canonical(record.parent.name.partition("-")[0])
        if only not in ("", owner):
            continue
        for path, digest, *_ in _rows(record):
            plain = f"{base}/{path}"
            yield os.path.normpath(plain) if "../" in path else plain, _hexadecimal(digest), owner


def shared_files(env: Path, distribution: str) -> set[str]:
    """Return the files of a distribution, below the environment, that the RECORD of another one names too."""
    site = site_packages(env)
    own, others = set[str](), set[str]()
    for record in site.glob("*.dist-info/RECORD"):
        owner = canonical(record.parent.name.partition("-")[0])
        (own if owner == distribution else others).update(row[0] for row in _rows(record))
    return {os.path.normpath(site.relative_to(env) / path) for path in own & others}


def _rows(record: Path) -> Iterator[list[str]]:
    """Yield the rows of a RECORD; most hold no quotes, and are split in half the time that `csv` takes."""
    with record.open(newline="") as stream:
        text = stream.read()
    if '"' in text or "\r" in text:
        return (row for row in csv.reader(io.StringIO(text, newline="")) if row)
    return (line.split(",") for line in text.split("\n") if line)


def _hexadecimal(recorded: str) -> str:
    if not recorded.startswith(_SHA256):
        return ""
    text = recorded[len(_SHA256) :].replace("-", "+").replace("_", "/")
    return binascii.a2b_base64(text + "==").hex()


def files_of(env: Path, *, seen: bool = False) -> dict[str, bool]:
    """Return every file and symlink of an environment but byte code and the receipt, and whether it is a link.

    Args:
        env: The environment.
        seen: What lies in a folder that cannot be read counts as missing; otherwise that is an error.
    """
    root, found, folders = f"{env}/", {}, [""]
    while folders:
        base = folders.pop()
        with contextlib.suppress(*((OSError,) if seen and base else ())), os.scandir(root + base) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    found[base + entry.name] = entry.is_symlink()
                elif entry.name != "__pycache__":
                    folders.append(f"{base}{entry.name}/")
    for name in (RECEIPT, _FRESH):
        found.pop(name, None)
    return found


def inventory(env: Path) -> dict[str, str]:
    """Return the digest of every file of a new environment."""
    recorded: dict[str, str] = {}
    for path, digest, _owner in claims(env):
        if recorded.setdefault(path, digest) != digest:
            recorded[path] = ""
    found: dict[str, str] = {}
    unknown = []
    for path, is_link in files_of(env).items():
        found[path] = digest = recorded.get(path, "")
        if is_link or not digest:
            unknown.append(path)
    found.update(digests(env, unknown))
    return found


def digests(env: Path, paths: Sequence[str], read_one: Callable[[Path], str] = digest_of) -> dict[str, str]:
    """Hash files of an environment on every core; the paths are relative to it."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return dict(zip(paths, pool.map(lambda path: read_one(env / path), paths), strict=True))


def distributions(env: Path) -> list[str]:
    """Return `name-version` of every distribution, sorted."""
    return sorted(folder.name.removesuffix(".dist-info") for folder in site_packages(env).glob("*.dist-info"))


def write(env: Path, facts: Mapping[str, Any]) -> Path:
    """Write the receipt, whole or not at all: it is what makes an environment a finished one."""
    files = {"files": inventory(env), **_of_python(env)}
    return _put(env, {"schema": SCHEMA, **facts, "distributions": distributions(env), **files})


def _of_python(env: Path) -> dict[str, dict[str, str]]:
    """Return the digests of the Python below the prefix, each by its path there, under their key of the receipt."""
    folder, root = shared.python_of(env), shared.root_of(env)
    if folder is None:
        return {}
    found = digests(folder, list(files_of(folder)))
    return {shared.PYTHON_FILES: {str((folder / path).relative_to(root)): one for path, one in found.items()}}


def note_signer(env: Path, signer: str | None) -> bool:
    """Have a receipt name who signed the wheelhouse when it was last proven; return whether it named another.

    After a change of keys a receipt that names the old one would have it proposed, and trusted again.
    """
    facts = read(env)
    if signer in (None, facts.get("signer")):
        return False
    _put(env, facts | {"signer": signer})
    return True


def _put(env: Path, body: Mapping[str, Any]) -> Path:
    return durable.replace(env / RECEIPT, json.dumps(body, sort_keys=True), env / _FRESH)


def recorded(env: Path) -> dict[str, Any]:
    """Return what an environment's receipt records, or nothing where it has none yet."""
    return read(env) if (env / RECEIPT).is_file() else {}


def _seen_digest(path: Path) -> str:
    """Return a file's digest; one that cannot be read, of a failing disk, is no longer itself."""
    try:
        return digest_of(path)
    except PermissionError:
        return _CLOSED
    except OSError as error:
        return f"unreadable: {error.strerror}"


def compare(env: Path) -> Difference:
    """Hash an environment, with what it shares below the prefix, and compare it with its receipt.

    What cannot be read differs; what this user may not read is told apart.
    """
    facts = read(env)
    besides = shared.wanted(env, facts)
    wanted: dict[str, str] = facts["files"] | besides
    present = [*files_of(env, seen=True)]
    for folder in shared.folders(env, besides):
        present += [str(folder / path) for path in files_of(folder, seen=True)] if folder.is_dir() else []
    found = digests(env, [path for path in present if path in wanted], _seen_digest)
    return Difference(
        missing=tuple(sorted(wanted.keys() - {*present})),
        changed=tuple(
            sorted(path for path, digest in found.items() if digest not in {wanted[path], _CLOSED})
        ),
        closed=tuple(sorted(path for path, digest in found.items() if digest == _CLOSED)),
        extra=tuple(sorted({*present} - wanted.keys())),
    )
