"""Two users of one group: does something as each of them, with modules that are loaded already."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

GROUP, FIRST, SECOND = 4000, 4001, 4002
two_users = pytest.mark.skipif(os.geteuid() != 0, reason="becomes two other users")


@contextmanager
def folder_of_a_group(mode: int) -> Iterator[Path]:
    """Give a folder of the group, in a place that every user reaches."""
    place = Path(tempfile.mkdtemp())
    try:
        place.chmod(0o755)
        folder = place / "shared"
        folder.mkdir()
        os.chown(folder, 0, GROUP)
        folder.chmod(mode)
        yield folder
    finally:
        shutil.rmtree(place)


def as_user(user: int, umask: int, do: Callable[[], object]) -> None:
    """Do something as a user of the group, in a process of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([GROUP])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.umask(umask)
            do()
        except BaseException:  # noqa: BLE001 - told by the exit code
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, f"user {user}"


def both(umask: int, do: Callable[[int], object]) -> None:
    """Do something as one user and then as the other."""
    for user in (FIRST, SECOND):
        as_user(user, umask, lambda user=user: do(user))  # type: ignore[misc]
