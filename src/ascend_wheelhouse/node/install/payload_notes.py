"""What stands in an Ascend folder of `.run` packages: noted there by digest, by one install at a time.

A package that is being installed is noted under another key: killed halfway, it may look whole.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import documents, durable
from ..reading.contents import Entry
from ..talk import Talk

NOTES = ".sglang-npu-payloads.json"
_LOCK = ".sglang-npu-payloads.lock"


def read(ascend: Path) -> dict[str, object]:
    """Return what earlier runs noted: `DIGEST` for what was installed, `begun:DIGEST` for what was not finished."""
    try:
        notes: dict[str, object] = documents.read_file(ascend / NOTES, {})
    except (OSError, documents.UnsoundError):
        return {}
    return notes


def is_begun(notes: Mapping[str, object], entry: Entry) -> bool:
    """Whether the last install of a package was cut short."""
    return _begun(entry) in notes


def begin(ascend: Path, entry: Entry) -> None:
    """Note that a package is being installed from now on."""
    _write(ascend, {**read(ascend), _begun(entry): {"path": entry.path}})


def end(ascend: Path, entry: Entry) -> None:
    """Note that a package was installed, once all of it is on the disk."""
    durable.flush(ascend)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    notes = read(ascend) | {entry.sha256: {"path": entry.path, "installed_at": now}}
    notes.pop(_begun(entry), None)
    _write(ascend, notes)


@contextlib.contextmanager
def claimed(ascend: Path, talk: Talk) -> Iterator[None]:
    """Keep other installs, of any user and into any prefix, from putting packages into the folder meanwhile.

    The kernel frees the claim when its holder dies.
    """
    number = _opened(ascend / _LOCK)
    try:
        _claim(number, ascend, talk)
        yield
    finally:
        os.close(number)


def _claim(number: int, ascend: Path, talk: Talk) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        talk.say(f"waiting for another install that puts packages into {ascend}")
        fcntl.flock(number, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno != errno.EBADF:  # on NFS, whoever may only read gets no such lock
            raise
        talk.say(
            f"{ascend / _LOCK} is another user's: see that no other install puts packages there meanwhile"
        )


def _opened(lock: Path) -> int:
    try:
        number = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:  # another user made it, in a folder of both
        return os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    with contextlib.suppress(
        OSError
    ):  # whoever may write the folder may lock it, on NFS too, whatever the umask
        os.fchmod(number, 0o644 | lock.parent.stat().st_mode & 0o022)
    return number


def _begun(entry: Entry) -> str:
    return f"begun:{entry.sha256}"


def _write(ascend: Path, notes: Mapping[str, object]) -> None:
    fresh = ascend / f"{NOTES}.new"
    fresh.unlink(missing_ok=True)  # that of a killed run may be another user's
    durable.replace(ascend / NOTES, json.dumps(notes, indent=1, sort_keys=True), fresh)
