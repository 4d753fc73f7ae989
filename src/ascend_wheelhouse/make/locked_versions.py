"""Which versions of torch and torch_npu the committed locks hold: what a derived cell takes where no index answers."""

from __future__ import annotations

from ascend_wheelhouse.base.cell_words import own_words
from ascend_wheelhouse.base.errors import SourceUnreachableError, WheelhouseError
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.locks.lock import load_platform


class VersionsOfflineError(SourceUnreachableError):
    """A cell is in no stack and in no lock, and no index may be asked for the versions that there are."""


def locked_versions(lockfiles: Layered, name: str, request: Request) -> list[str]:
    """Return the versions of a component in the locks of the architecture and torch that are asked for.

    Locks that cannot be read are passed over: who needs one of them is told when it is read.

    Args:
        lockfiles: The folder of locks, in layers.
        name: `torch` or `torch-npu`.
        request: What was asked.
    """
    key, machine = name.replace("-", "_"), request.target.machine
    found = set[str]()
    for path in lockfiles.named(f"*/pylock.{machine}.toml"):
        try:
            lock = load_platform(lockfiles.below(path.partition("/")[0]), machine)
        except WheelhouseError:
            continue
        if lock is not None and lock.cell.get("torch") == request.torch and key in lock.cell:
            found.add(lock.cell[key])
    return sorted(found)


def unknown_offline(request: Request) -> VersionsOfflineError:
    """Return the error that nothing here knows the torch of a request."""
    return VersionsOfflineError(
        f"torch {request.torch} is in no stack and in no lock here, and --offline asks no index.",
        why="Which torch_npu goes with a torch that no stack has is worked out from what the index has.",
        next_step=f"`invoke lock {own_words(request.asked)}` where the index answers; then the same command again",
    )
