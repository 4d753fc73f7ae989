"""What a prefix no longer needs: out of sight by one rename, then removed by a process that outlives this one."""

from __future__ import annotations

import errno
import shlex
import subprocess
import time
from pathlib import Path

from ..errors import HostUnfitError
from ..last_line import FULL
from ..seen import is_there
from .receipt_file import RECEIPT

NAMED = ".trash-"
"""How the names begin of what is on its way out."""
_REMOVAL = 'rm -rf -- "$@" || { chmod -R u+rwX -- "$@"; rm -rf -- "$@"; }'
"""A folder that was made read-only keeps what lies in it from everybody but root."""


class TrashStaysError(HostUnfitError):
    """Folders that a prefix no longer needs cannot be removed."""


def throw_away(path: Path, root: Path) -> None:
    """Take a folder below a prefix out of sight by one rename; `empty` removes it.

    One on another disk, as behind a link in place of `envs`, is removed at once, and its receipt first: a part of it is
    no environment that one could go back to. So is one on a disk or in a quota so full that nothing takes another name,
    as on btrfs.

    Raises:
        OSError: It can neither be renamed nor, on a full disk, be removed.
    """
    if not path.is_dir():
        return
    try:
        path.rename(root / f"{NAMED}{path.name}-{time.time_ns()}")
    except OSError as error:
        if error.errno not in {errno.EXDEV, *FULL}:
            raise
        (path / RECEIPT).unlink(missing_ok=True)
        subprocess.run(["sh", "-c", _REMOVAL, "sh", path], check=False, capture_output=True)
        if error.errno in FULL and is_there(path):
            raise


def empty(root: Path, *, wait: bool = False) -> None:
    """Remove what was thrown away; that can take as long as an install, and is waited for only where asked."""
    trash = list(root.glob(f"{NAMED}*"))
    if trash:
        quiet = subprocess.DEVNULL
        command: list[str | Path] = ["sh", "-c", _REMOVAL, "sh", *trash]
        remover = subprocess.Popen(command, start_new_session=True, stdout=quiet, stderr=quiet)
        if wait:
            remover.wait()


def require_none(root: Path) -> None:
    """Hold a prefix to having nothing left that was thrown away.

    Raises:
        TrashStaysError: Something is left.
    """
    if left := sorted(root.glob(f"{NAMED}*")):
        words = shlex.join(map(str, left))
        raise TrashStaysError(
            f"{left[0]} cannot be removed.",
            why="It holds what belongs to another user, or what the file system does not let go. Nothing is installed"
            " any more; the next run takes the folder for its own.",
            next_step=f"sudo rm -rf -- {words}",
        )
