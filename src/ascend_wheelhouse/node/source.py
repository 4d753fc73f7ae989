"""Where the files of an install come from: a wheelhouse folder, or a bundle that is unpacked.

Both are checked against the signed manifest before anything of them is used: every listed file by size and
digest, no file beside those listed, no symlink.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .contents import Contents, Entry, read_contents
from .errors import IntegrityError, UsageError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
UNLISTED = (MANIFEST, SIGNATURE, "provenance.dsse.json", "SHA256SUMS")


class NoWheelhouseError(UsageError):
    """There is neither a bundle nor a wheelhouse folder to install from."""


class WheelhouseChangedError(IntegrityError):
    """A wheelhouse folder is not what its manifest says."""


class OlderSerialError(IntegrityError):
    """The wheelhouse was signed before the one that is installed."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What the caller accepts.

    Args:
        key: A public key file or an allowed-signers file; None where none was given.
        insecure: Take an unsigned wheelhouse.
        allow_rollback: Take one that is older than what is installed.
        installed_serial: The serial of what is installed.
    """

    key: Path | None = None
    insecure: bool = False
    allow_rollback: bool = False
    installed_serial: int | None = None


class Source(Protocol):
    """Something to install from."""

    @property
    def contents(self) -> Contents:
        """What it says of itself; not to be believed before `verify`."""

    def verify(self, trust: Trust) -> str:
        """Check all of it and return the signer's fingerprint, empty where it is not signed."""

    def unpack(self, work: Path) -> Path:
        """Return a folder that holds its files, unpacking them below `work` where needed."""


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """An unpacked wheelhouse; nothing is copied."""

    folder: Path
    contents: Contents

    def verify(self, trust: Trust) -> str:
        """Check the folder against its manifest.

        Raises:
            WheelhouseChangedError: A file is missing, changed, not listed, or a symlink.
            OlderSerialError: It is older than what is installed.
        """
        require_serial(self.contents.serial, trust)
        problems = [*_strangers(self.folder, self.contents), *_changed(self.folder, self.contents)]
        if problems:
            raise WheelhouseChangedError(
                f"{self.folder} is not what its manifest says: {len(problems)} file(s).",
                why="\n".join(problems[:10]),
                next_step="copy the wheelhouse again from where it was made",
            )
        return ""

    def unpack(self, work: Path) -> Path:
        """Return the folder itself."""
        del work
        return self.folder


def require_serial(serial: int | None, trust: Trust) -> None:
    """Refuse a wheelhouse that is older than what is installed.

    Raises:
        OlderSerialError: It is, and `allow_rollback` was not given.
    """
    if trust.allow_rollback or trust.installed_serial is None or (serial or 0) >= trust.installed_serial:
        return
    raise OlderSerialError(
        f"This wheelhouse has serial {serial or 0}; serial {trust.installed_serial} is installed.",
        why="An old wheelhouse that is shown again could bring back a flaw that was mended.",
        next_step="--allow-rollback where going back is wanted; --rollback goes to the previous environment",
    )


def _strangers(folder: Path, contents: Contents) -> list[str]:
    listed = {entry.path for entry in contents.files}
    problems = []
    for base, names, files in os.walk(folder):
        names[:] = [name for name in names if name != "__pycache__"]
        for name in (*names, *files):
            path = Path(base) / name
            relative = str(path.relative_to(folder))
            if path.is_symlink():
                problems.append(f"symlink: {relative}")
            elif name in files and relative not in listed and relative not in UNLISTED:
                problems.append(f"not listed: {relative}")
    return sorted(problems)


def _changed(folder: Path, contents: Contents) -> list[str]:
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        verdicts = pool.map(lambda entry: _verdict(folder, entry), contents.files)
        return [verdict for verdict in verdicts if verdict]


def _verdict(folder: Path, entry: Entry) -> str:
    path = folder / entry.path
    if ".." in Path(entry.path).parts or Path(entry.path).is_absolute():
        return f"leaves the folder: {entry.path}"
    if not path.is_file():
        return f"missing: {entry.path}"
    if path.stat().st_size != entry.size:
        return f"changed size: {entry.path}"
    with path.open("rb") as stream:
        same = hashlib.file_digest(stream, "sha256").hexdigest() == entry.sha256
    return "" if same else f"changed: {entry.path}"


def open_source(bundle: Sequence[Path]) -> Source:
    """Open what was named, or the wheelhouse that this installer stands in.

    Raises:
        NoWheelhouseError: There is none.
    """
    folder = bundle[0] if len(bundle) == 1 and bundle[0].is_dir() else Path(__file__).parent.parent
    if not (folder / MANIFEST).is_file():
        raise NoWheelhouseError(
            f"{folder} holds no manifest.json.",
            why="install.py stands at the top of a wheelhouse, or is given one.",
            next_step="install.py --bundle FILE_OR_FOLDER --prefix DIR",
        )
    return FolderSource(folder=folder, contents=read_contents((folder / MANIFEST).read_bytes()))
