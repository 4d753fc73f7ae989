"""Two network namespaces and a shaped link between them, without touching the host's network.

`enter()` starts the calling script again in namespaces of its own (an ordinary user can do that), and `Link` gives
it a neighbour: a process in a second namespace, behind a link with a rate and a round-trip time. The link is a veth
pair with tc's netem where the kernel has it. Elsewhere what comes from the neighbour passes a veth pair with tc's
token bucket, which sets the rate, and what goes to it passes two tun devices joined by `wire.c`, which delays it by
the whole round-trip time: the bytes that count then never leave the kernel, as with netem, and the two contestants
for the processor are those that are compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE, THERE = "10.77.0.1", "10.77.0.2"
_HERE_END, _THERE_END = "bench0", "bench1"
_MARK = "WHEELHOUSE_BENCHMARK_NAMESPACE"


def enter() -> None:
    """Run this script again in its own user, network and mount namespace, unless it is there already."""
    if os.environ.get(_MARK):
        return
    os.environ[_MARK] = "1"
    words = ["unshare", "--user", "--map-root-user", "--net", "--mount", sys.executable, *sys.argv]
    os.execvp(words[0], words)  # noqa: S606 - this very script, in a namespace of its own


@contextmanager
def neighbour(words: Sequence[str], *, bits_per_second: float, round_trip_ms: float) -> Iterator[str]:
    """Run a command behind the link until the block ends, and give the link's kind; the command prints a line first."""
    with ExitStack() as stack:
        other = stack.enter_context(_started(["unshare", "--net", *words]))
        pid = str(other.pid)
        there = ("nsenter", "--target", pid, "--net")
        _run("ip", "link", "add", _HERE_END, "type", "veth", "peer", "name", _THERE_END, "netns", pid)
        for prefix, device, address, peer in (((), _HERE_END, HERE, THERE), (there, _THERE_END, THERE, HERE)):
            _run(*prefix, "ip", "addr", "add", address, "peer", peer, "dev", device)
            _run(*prefix, "ip", "link", "set", device, "up")
        if _has_netem():
            for prefix, device in (((), _HERE_END), (there, _THERE_END)):
                delay = ("delay", f"{round_trip_ms / 2}ms", "limit", "20000")
                _shape(prefix, device, "netem", *delay, rate=bits_per_second)
            yield "veth and netem"
            return
        _shape(there, _THERE_END, "tbf", "burst", "256k", "limit", "32m", rate=bits_per_second)
        wire = _compiled(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.enter_context(_started([wire, "back0", "back1", str(bits_per_second), str(round_trip_ms)]))
        _run("ip", "link", "set", "back1", "netns", pid)
        for prefix, device in (((), "back0"), (there, "back1")):
            _run(*prefix, "ip", "link", "set", device, "up")
        _run("ip", "route", "replace", THERE, "dev", "back0", "src", HERE)
        yield "veth with tbf, and wire.c on the way there"


def _shape(prefix: Sequence[str], device: str, *words: str, rate: float) -> None:
    _run(*prefix, "tc", "qdisc", "add", "dev", device, "root", *words, "rate", f"{rate:.0f}bit")


def _has_netem() -> bool:
    _run("ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
    words = ["tc", "qdisc", "add", "dev", "probe0", "root", "netem", "delay", "1ms"]
    found = subprocess.run(words, check=False, capture_output=True).returncode == 0
    _run("ip", "link", "delete", "probe0")
    return found


def _compiled(folder: Path) -> str:
    source = Path(__file__).with_name("wire.c")
    _run("gcc", "-O2", "-pthread", "-o", str(folder / "wire"), str(source))
    return str(folder / "wire")


@contextmanager
def _started(words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError(f"{words[0]} did not start")
        try:
            yield process
        finally:
            process.kill()


def _run(*words: str) -> None:
    subprocess.run(words, check=True)
