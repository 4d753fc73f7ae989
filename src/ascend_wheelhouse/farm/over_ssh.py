"""Workers of one run on hosts that ssh reaches, and a scheduler beside the first: `ssh` itself is asked, not a library.

So a host is reached as the user reaches it by hand, by `~/.ssh/config`, agent and known hosts. Each connection carries
one process (`far_side`), which ends when its input does: after Ctrl-C, after `kill -9` of the run, and where the
network breaks.
"""

from __future__ import annotations

import json
import queue
import shlex
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, TYPE_CHECKING

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.base.process import piped, stopping
from ascend_wheelhouse.farm.certificate import run_certificate, security_by
from ascend_wheelhouse.farm.errors import HostsNotStartedError
from ascend_wheelhouse.farm.far_side import MARK
from ascend_wheelhouse.farm.identity import facts

if TYPE_CHECKING:
    from distributed.security import Security

_SSH = (
    *("ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"),
)
_GREETING_SECONDS = 45.0
_JOINING_SECONDS = 60.0
_END_SECONDS = 15.0
_CALL_SECONDS = 10.0
_GLANCE = 0.2
_PULSE_SECONDS = 10.0
_LINES = 2
_CLOCK = SystemClock()


class _Far:
    """One process on a host.

    Args:
        host: What `ssh` is given.
        stack: Ends the process.
        on_end: Called in a thread of its own when the connection has ended.
    """

    def __init__(self, host: str, stack: ExitStack, on_end: Callable[[_Far], None]) -> None:
        self.host, self._on_end = host, on_end
        self._said: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
        self._errors: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        words = (*_SSH, "--", host, f"exec {shlex.quote(sys.executable)} -m ascend_wheelhouse.farm.far_side")
        self._orders, answers = stack.enter_context(piped(words, own_group=True, errors=self._errors))
        self._reader = threading.Thread(target=self._read, args=(answers,), daemon=True)
        self._reader.start()

    def _read(self, answers: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            for line in answers:
                text = line.decode(errors="replace")
                if text.startswith(MARK):
                    self._said.put(json.loads(text.removeprefix(MARK)))
        self._said.put({"error": ""})
        self._on_end(self)

    def told(self, until: float) -> dict[str, str]:
        """Return what the host says next; `error` where it does not, or in place of it.

        Raises:
            KeyboardInterrupt: The user wants the run to end.
        """
        while (left := until - _CLOCK.monotonic()) > 0:
            if stopping():
                raise KeyboardInterrupt
            with suppress(queue.Empty):
                said = self._said.get(timeout=min(left, _GLANCE))
                return said if said.get("error") != "" else {"error": self._last_words()}
        return {
            "error": f"it did not answer in time{f': {words}' if (words := self._last_words('')) else ''}"
        }

    def _last_words(self, otherwise: str = "the connection ended") -> str:
        self._errors.seek(0)
        lines = [
            line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()
        ]
        return " ".join(lines[-_LINES:])[:300].rstrip(". ") or otherwise

    def order(self, order: Mapping[str, object]) -> None:
        """Say what it is to be; one that has gone is noticed by what it does not tell."""
        with suppress(OSError):
            self._orders.write(f"{json.dumps(order)}\n".encode())
            self._orders.flush()

    def pulse(self) -> None:
        """Let it know that this host is still there."""
        with suppress(OSError, ValueError):
            self._orders.write(b"\n")
            self._orders.flush()

    def end(self) -> None:
        """Tell it to end."""
        with suppress(OSError):
            self._orders.close()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended."""
        self._reader.join(max(0.0, seconds))


class SshWorkers:
    """Workers that run; meets what `farm` needs of a cluster.

    Args:
        hosts: Where they are to be; one that cannot be used is told and left out.
        builds: How many builds each does side by side.
        environment: What they must know of this host.
        emit: Told of hosts that are left out, and of those that go away.

    Raises:
        HostsNotStartedError: No host is left.
        KeyboardInterrupt: The user wants the run to end.
    """

    def __init__(self, hosts: Sequence[str], builds: int, environment: Mapping[str, str], emit: Emit) -> None:
        self._stack, self._emit, self._closing = ExitStack(), emit, threading.Event()
        self._far: dict[str, _Far] = {}
        self._left_out: dict[str, str] = {}
        certificate = run_certificate()
        self.security: Security = security_by(certificate)
        self._order = {"certificate": certificate, "environment": dict(environment), "builds": builds}
        self._main: _Far | None = None
        self._joined = False
        try:
            self._greet([*dict.fromkeys(hosts)])
            self.scheduler_address = self._start_scheduler()
            self._join()
        except BaseException:
            self.close()
            raise

    def _open(self, host: str) -> _Far:
        return _Far(host, self._stack, self._ended)

    def _leave_out(self, host: str, reason: str) -> None:
        """Do without a host."""
        self._left_out[host] = reason
        if far := self._far.pop(host, None):
            far.end()

    def _tell(self) -> None:
        """Tell of the hosts that are left out.

        Raises:
            HostsNotStartedError: No other is left.
        """
        if not self._far:
            raise HostsNotStartedError(self._left_out, sys.executable)
        for host, reason in self._left_out.items():
            self._emit(Note(text=f"host {host} is left out: {reason}", level="warning"))

    def _greet(self, hosts: Sequence[str]) -> None:
        """Open the connections, and leave out hosts that have another version of something."""
        opened = [self._open(host) for host in hosts]
        until, own = _CLOCK.monotonic() + _GREETING_SECONDS, facts()
        for far in opened:
            said = far.told(until)
            self._far[far.host] = far
            if reason := said.get("error"):
                self._leave_out(far.host, reason)
            elif others := [name for name in own if said.get(name) != own[name]]:
                there = ", ".join(f"{name} {said.get(name) or 'none'}" for name in others)
                here = ", ".join(f"{name} {own[name]}" for name in others)
                self._leave_out(far.host, f"it has {there}, this host has {here}")

    def _start_scheduler(self) -> str:
        """Start the scheduler on the first host that can have it, and return its address."""
        for host in [*self._far]:
            main = self._main = self._open(host)
            main.told(_CLOCK.monotonic() + _GREETING_SECONDS)
            main.order({"role": "scheduler", **self._order})
            said = main.told(_CLOCK.monotonic() + _JOINING_SECONDS)
            address = said.get("address", "")
            reason = said.get("error") or _unreached(address)
            if not reason:
                return address
            main.end()
            self._leave_out(host, f"no scheduler for this run on it: {reason}")
        self._tell()
        raise AssertionError  # no host is left, and that was told

    def _join(self) -> None:
        """Have the workers join, all at once, and wait for them: the first would be given every build."""
        for host, far in self._far.items():
            far.order({"role": "worker", "name": host, "scheduler": self.scheduler_address, **self._order})
        until = _CLOCK.monotonic() + _JOINING_SECONDS
        for host, far in [*self._far.items()]:
            if reason := far.told(until).get("error"):
                self._leave_out(host, reason)
        self._joined = True
        self._tell()
        threading.Thread(target=self._pulse, daemon=True).start()

    def _pulse(self) -> None:
        while not self._closing.wait(_PULSE_SECONDS):
            for far in (*self._far.values(), *([self._main] if self._main else [])):
                far.pulse()

    def _ended(self, far: _Far) -> None:
        """Tell of a host that has gone in the middle of a run."""
        if self._closing.is_set() or stopping():
            return
        if far is self._main:
            text = f"the connection to {far.host} ended, where the scheduler of this run is"
        elif self._far.get(far.host) is far and self._joined:
            text = f"the connection to host {far.host} ended; its builds go to others"
        else:
            return
        self._emit(Note(text=text, level="warning"))

    def close(self, timeout: float = _END_SECONDS) -> None:
        """End every process, workers first, and wait that long in seconds; what is left then loses its connection."""
        self._closing.set()
        until = _CLOCK.monotonic() + timeout
        workers = [*self._far.values()]
        for group in (workers, [self._main] if self._main else []):
            for far in group:
                far.end()
            for far in group:
                far.wait(until - _CLOCK.monotonic())
        self._stack.close()


def _unreached(address: str) -> str:
    """Return why this host does not get through to an address; empty where it does."""
    host, _, port = address.partition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CALL_SECONDS).close()
    except (OSError, ValueError) as error:
        return f"this host does not reach {address} ({error})"
    return ""
