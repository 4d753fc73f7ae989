"""All subprocesses of an install are started here: arguments in, output in the log, a telling error out."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import HostUnfitError
from ..guarded import Guarded

_TAIL_LINES = 15
_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(
    None
).prctl  # looked up here: between fork and exec another thread's locks may be held for ever
_FULL = ("No space left on device", "Disk quota exceeded")
_STEERING = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "LD_PRELOAD")


class InstallCommandFailedError(HostUnfitError):
    """A command that the installer needs ended with a status other than 0."""


class DiskFilledError(InstallCommandFailedError):
    """The disk took no more while a command of the installer wrote to it."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would steer Python, pip or uv, plus `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STEERING)}
    return kept | {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"} | dict(extra or {})


def _dying_with(parent: int) -> Callable[[], None]:
    """Return what a new process does first: ask the kernel to kill it when `parent` dies, even by `kill -9`.

    Without it the rest of a killed install would go on writing while the next one clears away.
    """

    def ask() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before that was asked
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


def run(args: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end, append what it printed to `log`, and return that.

    It runs in the log's folder: what lies where a person happens to stand, such as a medium, must not be imported.

    Raises:
        InstallCommandFailedError: It is not there, or ended with a status other than 0.
    """
    words = [str(word) for word in args]
    try:
        done = subprocess.run(
            words,
            cwd=log.parent,
            preexec_fn=_dying_with(os.getpid()),
            env=clean_environment() if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",  # uv's, whatever the locale
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise InstallCommandFailedError(
            f"{words[0]} cannot be run: {error.strerror}.",
            why="It is missing, or its file system does not let programs run.",
            next_step=f"ls -l {shlex.quote(words[0])}; mount | grep noexec",
        ) from error
    with log.open("a", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(f"$ {' '.join(words)}\n{done.stdout}status {done.returncode}\n")
    return _judged(words[0], done.returncode, done.stdout, log)


def run_guarded(args: Sequence[str | Path], *, log: Path, env: Mapping[str, str]) -> str:
    """Run a command that starts others, as `run` does: none of them outlives this process or the command.

    Raises:
        InstallCommandFailedError: It ended with a status other than 0.
    """
    words = [str(word) for word in args]
    with log.open("ab") as stream:
        stream.write(f"$ {' '.join(words)}\n".encode())
        stream.flush()
        begun = stream.tell()
        with Guarded(words, environment=env, folder=log.parent, output=stream) as command:
            status = command.wait()
    with log.open("rb+") as stream:
        stream.seek(begun)
        output = stream.read().decode(errors="replace")
        stream.write(f"status {status}\n".encode())
    return _judged(words[0], status, output, log)


def _judged(program: str, status: int, output: str, log: Path) -> str:
    """Return what a command printed.

    Raises:
        InstallCommandFailedError: Its status is not 0.
    """
    if status:
        _require_space(program, output, log)
        raise InstallCommandFailedError(
            f"{Path(program).name} ended with status {status}.",
            why="\n".join(output.strip().splitlines()[-_TAIL_LINES:]),
            next_step=f"read the whole output in {shlex.quote(str(log))}",
        )
    return output


def _require_space(program: str, output: str, log: Path) -> None:
    told = next((line.strip() for line in output.splitlines() if any(text in line for text in _FULL)), "")
    if told:
        folder = shlex.quote(str(log.parent))
        raise DiskFilledError(
            f"The disk became full while {Path(program).name} wrote to it.",
            why=f"{told}\nBytes or inodes ran out, or the user's quota did. The unfinished environment is removed.",
            next_step=f"df -h {folder}; df -i {folder}",
        )
