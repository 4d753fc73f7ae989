"""Starts an SGLang server, waits until it is healthy, stops it, and proves that nothing of it is left.

What this guards against was seen on real servers (0.5.6.post2): a port that is taken makes it hang for
ever; a dead scheduler leaves a leader whose `/health` takes 20 s to say 503; a signal to the whole group
while a request runs, or to the leader while it warms up, makes it hang; its own way of ending is SIGKILL.
So: the port is checked first, every try is bounded while the pid is watched, only the leader is asked to
end, and the whole family is killed after that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from .. import supervise
from ..guarded import Guarded
from . import http_client

_T = TypeVar("_T")

OWN_ENDINGS = frozenset({0, -signal.SIGTERM, -signal.SIGKILL, 128 + signal.SIGTERM, 128 + signal.SIGKILL})
"""How a server may end after we asked it to: it kills its own tree, itself included."""

_TRY_SECONDS = 30.0
_POLL_SECONDS = 0.2
_LAST_BREATH_SECONDS = 1.0
"""A connection that breaks off may be the leader's end, which shows a little later."""
_OK, _UNAVAILABLE = 200, 503
_LOOK_SECONDS = 0.5
_PORT_WORDS = ("Errno 98", "address already in use")


class ServerError(Exception):
    """The server did not do its part; the text names the cause."""


class PortTakenError(ServerError):
    """Another process listens on the port."""


class ServerDiedError(ServerError):
    """The leader ended by itself."""


class ServerFloodedError(ServerDiedError):
    """It printed without end, and was killed before its log filled the disk."""


class NeverHealthyError(ServerError):
    """It lived, but `/health` did not say 200 in time."""


class LeftBehindError(ServerError):
    """After the stop a process of it lived on, or its port was still taken."""


@dataclass(frozen=True, kw_only=True)
class ServerPlan:
    """How to start a server and how long to wait for it.

    Args:
        words: The command.
        environment: Its whole environment.
        port: Where it listens on loopback.
        folder: Where it runs and writes `server.log`.
        healthy_seconds: Limit from the start to the first 200 of `/health`.
        stop_seconds: Limit from the request to end until it is killed.
        gone_seconds: How long its other processes may outlive the leader.
        health: The path that says 200 once requests can be answered; a router's is another.
    """

    words: Sequence[str]
    environment: Mapping[str, str]
    port: int
    folder: Path
    healthy_seconds: float = 180
    stop_seconds: float = 30
    gone_seconds: float = 5
    health: str = "/health"

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / "server.log"


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """How a stop went: the exit status, the seconds it took, whether we had to kill it."""

    status: int
    seconds: float
    killed: bool


def port_is_free(port: int) -> bool:
    """Whether the port can be listened on, connections that linger from before aside."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(1)
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """One running server.

    Use as a context manager: leaving it kills whatever is left, so no way out of a check leaves a process
    behind.
    """

    def __init__(self, plan: ServerPlan) -> None:
        if not port_is_free(plan.port):
            raise PortTakenError(f"port {plan.port} is taken by another process: free it or choose another")
        supervise.adopt_orphans()
        self.plan = plan
        self._healthy = False
        self._flooded = False
        environment = supervise.marked(plan.environment)
        self._began = time.monotonic()
        with plan.log.open("wb") as stream:
            self._leader = Guarded(plan.words, environment=environment, folder=plan.folder, output=stream)
        self.family = supervise.Family(self._leader, environment)
        self._over = threading.Event()
        threading.Thread(target=self._limit_log, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self.family.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._leader.wait(supervise.PATIENCE)
        self._leader.end()
        self.family.kill()

    def _limit_log(self) -> None:
        """Kill the leader once its log is longer than a log may be, whatever is waited for just then."""
        while not self._over.wait(_LOOK_SECONDS):
            if self.plan.log.stat().st_size > supervise.LONGEST_OUTPUT:
                self._flooded = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._leader.pid, signal.SIGKILL)
                return

    def wait_healthy(self) -> float:
        """Wait for `/health` to say 200 and return the seconds since the start.

        Raises:
            PortTakenError: The server found its port taken (it hangs then).
            ServerDiedError: It ended.
            NeverHealthyError: The time is over.
        """
        deadline = self._began + self.plan.healthy_seconds
        said = "nothing listens on its port"
        while time.monotonic() < deadline:
            self.family.alive()
            seconds = min(_TRY_SECONDS, max(1.0, deadline - time.monotonic()))
            try:
                answer = self._health(seconds)
            except (OSError, TimeoutError) as error:
                said = str(error) or type(error).__name__
            else:
                if answer.status == _OK:
                    self._healthy = True
                    return time.monotonic() - self._began
                said = f"/health says {answer.status}"
            time.sleep(_POLL_SECONDS)
        raise NeverHealthyError(
            f"not healthy after {self.plan.healthy_seconds:.0f} s ({said}); {self.last_line()}"
        )

    def _health(self, seconds: float) -> http_client.Answer:
        port = self.plan.port
        return self.watched(lambda: http_client.get(port, self.plan.health, seconds=seconds), seconds)

    def watched(self, call: Callable[[], _T], seconds: float) -> _T:
        """Run a call in the background while the leader is watched.

        Raises:
            ServerDiedError: The leader ended first.
            TimeoutError: The call took longer than `seconds`.
        """
        answers: list[_T] = []
        faults: list[BaseException] = []

        def work() -> None:
            try:
                answers.append(call())
            except BaseException as error:  # noqa: BLE001 - handed to the caller below
                faults.append(error)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        deadline = time.monotonic() + seconds
        while worker.is_alive() and time.monotonic() < deadline:
            worker.join(_POLL_SECONDS)
            if worker.is_alive():
                self.check_alive()
        if (
            faults
            and isinstance(faults[0], ConnectionError)
            and not isinstance(faults[0], ConnectionRefusedError)
        ):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._leader.wait(_LAST_BREATH_SECONDS)
        self.check_alive()
        if faults:
            raise faults[0]
        if not answers:
            raise TimeoutError(f"no answer within {seconds:.0f} s")
        return answers[0]

    def check_alive(self) -> None:
        """Raise when the leader has ended, or hangs before its first answer because its port is taken.

        Raises:
            PortTakenError: Its log says so.
            ServerDiedError: It has; the text holds its status and its last line.
            ServerFloodedError: It was killed, since its log had grown too long.
        """
        status = self._leader.poll()
        if status is not None and self._flooded:
            most = supervise.LONGEST_OUTPUT >> 20
            raise ServerFloodedError(
                f"the server printed more than {most} MiB and was killed; {self.last_line()}"
            )
        if status is not None:
            raise ServerDiedError(f"the server ended by itself with status {status}; {self.last_line()}")
        if not self._healthy:
            self._refuse_taken_port()

    @property
    def lives(self) -> bool:
        """Whether the leader still runs."""
        return self._leader.poll() is None

    def diagnose(self) -> str:
        """Ask `/health` why a request had no answer; it takes 20 s when the scheduler is dead."""
        try:
            answer = self._health(_TRY_SECONDS)
        except (OSError, ServerError) as error:
            return str(error)
        if answer.status == _UNAVAILABLE:
            return "/health says 503: the scheduler is dead though the leader lives"
        return f"/health says {answer.status}"

    def memory(self) -> int:
        """Return the proportional set size of all its processes, in bytes."""
        return self.family.weight()

    def members(self) -> int:
        """Return how many processes it is."""
        return len(self.family.alive())

    def stop(self) -> Stopped:
        """Ask the leader to end, kill what does not, and prove that nothing is left.

        Raises:
            ServerDiedError: It had ended before, or ended in a way that is not its own.
            LeftBehindError: A process or the port outlived it.
        """
        self.check_alive()
        self.family.alive()
        began = time.monotonic()
        self._leader.ask_to_end()
        killed = False
        try:
            status = self._leader.wait(self.plan.stop_seconds)
        except subprocess.TimeoutExpired:
            killed = True
            self.family.kill(supervise.PATIENCE)
            status = self._killed_status()
        self._prove_gone()
        if status not in OWN_ENDINGS:
            raise ServerDiedError(f"asked to end, it ended with status {status}; {self.last_line()}")
        return Stopped(status=status, seconds=time.monotonic() - began, killed=killed)

    def _killed_status(self) -> int:
        try:
            return self._leader.wait(supervise.PATIENCE)
        except subprocess.TimeoutExpired:
            raise LeftBehindError(
                f"the kernel holds the server, which no signal ends; {self.last_line()}"
            ) from None

    def _prove_gone(self) -> None:
        patience = self.plan.gone_seconds
        deadline = time.monotonic() + patience
        while living := [one for one in self.family.alive() if one.pid != self._leader.pid]:
            if time.monotonic() > deadline:
                names = ", ".join(sorted(f"{one.name} ({one.pid})" for one in living))
                self.family.kill()
                raise LeftBehindError(f"still alive {patience:.0f} s after the stop: {names}")
            supervise.reap(living)
            time.sleep(_POLL_SECONDS)
        if not port_is_free(self.plan.port):
            raise LeftBehindError(f"port {self.plan.port} is still taken after the stop")

    def _refuse_taken_port(self) -> None:
        text = supervise.last_words(self.plan.log)
        if any(words in text for words in _PORT_WORDS):
            raise PortTakenError(
                f"the server found port {self.plan.port} taken, and hangs: {self.last_line()}"
            )

    def last_line(self) -> str:
        """Return the last line of its log that says something, for a cause."""
        with contextlib.suppress(OSError):
            lines = [
                line.strip() for line in supervise.last_words(self.plan.log).splitlines() if line.strip()
            ]
            telling = [line for line in lines if "Error" in line or "error" in line] or lines
            if telling:
                return f"its log ends with: {telling[-1][:300]}"
        return "its log is empty"
