"""All subprocesses are started here: an argument list in, a finished process or a telling error out."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ascend_wheelhouse.base import full_disk
from ascend_wheelhouse.base.errors import HostUnfitError

_TAIL_LINES = 20
_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(
    None
).prctl  # looked up here: between fork and exec another thread's locks may be held for ever
_running: set[subprocess.Popen[Any]] = set()
_stopping = threading.Event()
_of_thread = threading.local()


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A process that ended: its arguments, exit status and what it printed (text, errors replaced)."""

    args: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class CommandFailedError(Exception):
    """A command ended with a status other than 0; callers turn it into an error of their own."""

    def __init__(self, finished: Finished) -> None:
        self.finished = finished
        super().__init__(str(self))

    def tail(self) -> str:
        """Return the last lines that it printed, standard error first choice."""
        text = self.finished.stderr.strip() or self.finished.stdout.strip()
        return "\n".join(text.splitlines()[-_TAIL_LINES:])

    def __str__(self) -> str:
        return f"{self.finished.args[0]} ended with status {self.finished.status}\n{self.tail()}"


def run(
    args: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    check: bool = True,
    own_group: bool = False,
) -> Finished:
    """Run a command to its end and capture what it prints.

    Args:
        args: The command and its arguments; no shell is involved.
        cwd: Where it runs.
        env: Its whole environment; the current one when None.
        stdin: What it reads; nothing when None.
        timeout: Seconds until it is killed and `subprocess.TimeoutExpired` is raised.
        check: Raise `CommandFailedError` on a status other than 0.
        own_group: Lead a process group, which is killed as a whole where the run is stopped.

    Raises:
        HostUnfitError: The command does not exist on this host.
        OSError: It failed, and says that a disk is full (ENOSPC).
    """
    words = tuple(str(word) for word in args)
    how: dict[str, Any] = {
        "stdin": subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "process_group": 0 if own_group else None,
    }
    process = _started(words, cwd=cwd, env=env, text=True, errors="replace", **how)
    with process, _known(process):
        stdout, stderr = process.communicate(stdin, timeout)
    finished = Finished(args=words, status=process.returncode, stdout=stdout, stderr=stderr)
    if check and finished.status != 0:
        raise full_disk.told_by(words[0], f"{stderr}\n{stdout}") or CommandFailedError(finished)
    return finished


def run_logged(
    args: Sequence[str | Path],
    *,
    log: Path,
    on_line: Callable[[str], None],
    env: Mapping[str, str] | None = None,
    own_group: bool = True,
) -> int:
    """Run a long command, append all that it prints to `log`, and return its exit status.

    Args:
        args: The command and its arguments.
        log: Where its output goes, as bytes, unaltered.
        on_line: Called with each line as it comes, for a live board.
        env: Its whole environment; the current one when None.
        own_group: Lead a process group, which is killed as a whole when this call is interrupted; without one it ends
            with the group of its caller.

    Raises:
        HostUnfitError: The command does not exist on this host.
    """
    words = tuple(str(word) for word in args)
    joined: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    group = 0 if own_group else None
    process = _started(words, env=env, stdin=subprocess.DEVNULL, process_group=group, **joined)
    with process, log.open("ab") as out, _known(process):
        for line in process.stdout or ():
            out.write(line)
            out.flush()
            on_line(line.decode(errors="replace").rstrip())
        return process.wait()


def _started(words: tuple[str, ...], **how: Any) -> subprocess.Popen[Any]:  # noqa: ANN401 - as Popen takes it
    """Start a command; a missing one is told with what to install."""
    try:
        # What runs between fork and exec takes no lock, so that other threads do not matter.
        return subprocess.Popen(words, preexec_fn=_dying_with(os.getpid()), **how)  # noqa: PLW1509
    except FileNotFoundError as error:
        if how.get("cwd") is not None and not how["cwd"].is_dir():
            raise
        raise HostUnfitError(
            f"The command {words[0]!r} is not on this host.",
            next_step=f"install {Path(words[0]).name} and run the same command again",
        ) from error


def _dying_with(parent: int) -> Callable[[], None]:
    """Return what a new process does first: ask the kernel to kill it when `parent` dies, even by `kill -9`.

    Without it a build, a resolver or git would go on writing while the next run does the same work.
    """

    def ask() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before that was asked
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


def stop_all() -> None:
    """Kill every command that runs, and every one that starts from now on: the user wants the run to end.

    Safe in a signal handler; commands that other threads wait for end, and so do the threads.
    """
    _stopping.set()
    for process in tuple(_running):
        _kill(process)


def stopping() -> bool:
    """Tell whether the user has asked for the end of the run: what fails from then on is no fault."""
    return _stopping.is_set()


def resume() -> None:
    """Let commands run again after `stop_all`."""
    _stopping.clear()


class Leash:
    """Ends the commands that one thread waits for, and no others: a host that does several people's work needs it."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[Any]] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._ended.is_set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have every command that this thread starts in the block ended by `stop`."""
        _of_thread.leash = self
        try:
            yield
        finally:
            del _of_thread.leash

    def stop(self) -> None:
        """Kill what runs, and what is started from now on."""
        self._ended.set()
        with self._lock:
            for process in self._running:
                _kill(process)

    def wait(self, seconds: float) -> bool:
        """Wait until `stop` is called, or so long; return whether it was."""
        return self._ended.wait(seconds)

    def take(self, process: subprocess.Popen[Any]) -> bool:
        """Hold a command that was started; return whether it may run."""
        with self._lock:
            self._running.add(process)
        return not self.stopped

    def drop(self, process: subprocess.Popen[Any]) -> None:
        """Let go of a command that ended."""
        with self._lock:
            self._running.discard(process)


@contextmanager
def _known(process: subprocess.Popen[Any], *, kept: bool = False) -> Iterator[None]:
    """Hold a command where `stop_all` finds it, and kill it when the block is left before its end, unless `kept`."""
    leash: Leash | None = getattr(_of_thread, "leash", None)
    _running.add(process)
    try:
        if _stopping.is_set() or (leash is not None and not leash.take(process)):
            _kill(process)
        yield
    finally:
        _running.discard(process)
        if leash is not None:
            leash.drop(process)
        if not kept and process.poll() is None:
            _kill(process)


def _kill(process: subprocess.Popen[Any]) -> None:
    """Kill a command, with its process group where it leads one."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


@contextmanager
def piped(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    own_group: bool = False,
    errors: IO[bytes] | None = None,
) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Talk with a command that answers on its output what it is told on its input; killed at the end.

    Args:
        args: The command and its arguments.
        env: Its whole environment; the current one when None.
        own_group: Lead a process group, which is killed as a whole.
        errors: Where its standard error goes; to the caller's when None.
    """
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": errors,
        "env": env,
    }
    process = _started(tuple(map(str, args)), process_group=0 if own_group else None, **pipes)
    with process, _known(process):
        if process.stdin is not None and process.stdout is not None:
            yield process.stdin, process.stdout


class StandingCommand:
    """A command that answers one question after another, and stands in between: of the thread that started it.

    The kernel kills it when that thread ends; it leads a process group, which is killed as a whole.

    Args:
        args: The command and its arguments.
        errors: Where its standard error goes.
    """

    def __init__(self, args: Sequence[str | Path], *, errors: IO[bytes]) -> None:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        self._process = _started(tuple(map(str, args)), process_group=0, **pipes)
        self.end = weakref.finalize(self, _ended, self._process)

    @property
    def stands(self) -> bool:
        """Whether it can be asked."""
        return self.end.alive and self._process.poll() is None

    @contextmanager
    def asked(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Give its input and its output; it is ended when the block is left by an error, as by `stop_all`."""
        try:
            with _known(self._process, kept=True):
                if self._process.stdin is not None and self._process.stdout is not None:
                    yield self._process.stdin, self._process.stdout
        except BaseException:
            self.end()
            raise


def _ended(process: subprocess.Popen[Any]) -> None:
    """Kill a command and take its status; what was not yet written to it is lost."""
    _kill(process)
    with suppress(BrokenPipeError), process:
        pass
