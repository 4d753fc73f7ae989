"""A command below a guardian: none of its processes outlives the one that started it, whatever ends that one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from . import place
from .guardian import NUMBER

_PATIENCE = 10.0
_FROM_ARCHIVE = (
    "import sys; sys.path.insert(0, sys.argv[1]); from {package} import guardian; guardian.main(sys.argv[2:])"
)


class Guarded:
    """One running command, its guardian aside; of `subprocess.Popen` it has what is asked of it here.

    Use as a context manager, or call `end`.

    Args:
        words: The command.
        environment: Its whole environment.
        folder: Where it runs.
        output: Where both its streams go; with None it has this process's own, and what that reads.
    """

    def __init__(
        self, words: Sequence[str], *, environment: Mapping[str, str], folder: Path, output: IO[bytes] | None
    ) -> None:
        self._words = tuple(words)
        self._status: int | None = None
        self._ours, theirs = socket.socketpair()
        with theirs:
            self._guardian = subprocess.Popen(
                [*_guardian_words(), str(theirs.fileno()), *words],
                env=environment,
                cwd=folder,
                stdin=None if output is None else subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        self.keeper = self._guardian.pid
        self.pid = self._number(None) or self.keeper

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.end()

    def poll(self) -> int | None:
        """Return the status as `subprocess` has it, or None while the command runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, seconds: float | None = None) -> int:
        """Return the status once the command has ended.

        Raises:
            subprocess.TimeoutExpired: It runs for longer than this.
        """
        if self._status is None:
            said = self._number(seconds)
            self._status = self._guardian.wait() if said is None else said
        return self._status

    def _number(self, seconds: float | None) -> int | None:
        """Return what the guardian says next; None where that has ended."""
        self._ours.settimeout(seconds)
        try:
            said = self._ours.recv(NUMBER.size)
        except (BlockingIOError, TimeoutError) as error:
            raise subprocess.TimeoutExpired(self._words, seconds or 0) from error
        except OSError:
            return None
        return int(NUMBER.unpack(said)[0]) if len(said) == NUMBER.size else None

    def ask_to_end(self) -> None:
        """Ask the command to end (SIGTERM), so that it removes what it made."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def end(self) -> None:
        """Have all its processes killed; one that the kernel does not let go is left to the guardian."""
        self._ours.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guardian.wait(_PATIENCE)


def _guardian_words() -> list[str]:
    python = [sys.executable, "-I", "-S"]
    script = place.PACKAGE / "guardian.py"
    if script.is_file():
        return [*python, str(script)]
    return [*python, "-c", _FROM_ARCHIVE.format(package=place.PACKAGE.name), str(place.PACKAGE.parent)]
