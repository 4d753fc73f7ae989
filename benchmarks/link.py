"""Two network namespaces and a shaped link between them, without touching the host's network.

`enter()` starts the calling script again in namespaces of its own (an ordinary user can do that), and `Link` gives
it a neighbour: a process in a second namespace, behind a link with a rate and a round-trip time. The link is a veth
pair with tc's netem where the kernel has it, else two tun devices joined by `wire.c`.
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
        if _has_netem():
            kind = "veth and netem"
            _run("ip", "link", "add", "bench0", "type", "veth", "peer", "name", "bench1", "netns", pid)
        else:
            kind = "tun and wire.c"
            wire = _compiled(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            one_way = str(round_trip_ms / 2)
            stack.enter_context(_started([wire, "bench0", "bench1", str(bits_per_second), one_way]))
            _run("ip", "link", "set", "bench1", "netns", pid)
        inside = ("nsenter", "--target", pid, "--net")
        for prefix, device, address, peer in (((), "bench0", HERE, THERE), (inside, "bench1", THERE, HERE)):
            _run(*prefix, "ip", "addr", "add", address, "peer", peer, "dev", device)
            _run(*prefix, "ip", "link", "set", device, "up")
            if kind.startswith("veth"):
                shape = (
                    "delay",
                    f"{round_trip_ms / 2}ms",
                    "rate",
                    f"{bits_per_second:.0f}bit",
                    "limit",
                    "20000",
                )
                _run(*prefix, "tc", "qdisc", "add", "dev", device, "root", "netem", *shape)
        yield kind


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
