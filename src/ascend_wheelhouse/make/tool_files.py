"""The wheels that this program is locked to, from the index into the store."""

from __future__ import annotations

from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.packaged import packaged
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.locks.tool_lock import NAME as TOOL_LOCK
from ascend_wheelhouse.locks.tool_lock import ToolPin, read_tool_lock
from ascend_wheelhouse.make.fetcher import Fetcher, file_download
from ascend_wheelhouse.origins.index import Finder, FoundFile, IndexPin


class ToolFileChangedError(IntegrityError):
    """The index offers another file than the lock of the program names."""


def tool_files(target: Target, fetcher: Fetcher, emit: Emit) -> list[LockedFile]:
    """Have the wheels for a kind of host in the store, and return them.

    Raises:
        BadToolLockError: The lock of the program cannot be read.
        ToolFileChangedError: The index offers another file than it names.
        WheelhouseError: The index did not answer, or has no such file.
    """
    pins = read_tool_lock(packaged() / "lockfiles" / TOOL_LOCK, target)
    finder = Finder(fetcher.http)
    found = finder.find_all([IndexPin(name=one.name, version=one.version) for one in pins], target, emit)
    wheels = [_held(pin, file) for pin, file in zip(pins, found, strict=True)]
    fetcher.fetch([file_download(wheel) for wheel in wheels])
    return wheels


def _held(pin: ToolPin, found: FoundFile) -> LockedFile:
    if found.sha256 not in pin.digests:
        raise ToolFileChangedError(
            f"{found.filename} has sha256 {found.sha256}, which lockfiles/{TOOL_LOCK} does not name.",
            why="The file was added or replaced at the index since the lock was made, or it is another index.",
            next_step="compare it with the publisher's digest; then, in a clone: nox -s tool_lock",
        )
    return LockedFile.of(found.artifact, origin=found.origin)
