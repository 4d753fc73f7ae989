from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_wheelhouse.node.verify import sealed
from ascend_wheelhouse.node.verify.sealed import NativeLauncher, base_environment

pytestmark = pytest.mark.skipif(
    not sealed.can_seal(), reason="this kernel refuses network namespaces to this user"
)

LEAVE = """
import socket
client = socket.socket(socket.AF_INET, {kind})
client.settimeout(5)
client.connect(("{address}", 53))
client.send(b"x")
"""


def run_sealed(code: str) -> subprocess.CompletedProcess[str]:
    words = NativeLauncher(sealed=True).command([sys.executable, "-I", "-c", code], {}, network=False)
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=90)


@pytest.mark.parametrize("kind", ["socket.SOCK_STREAM", "socket.SOCK_DGRAM"])
@pytest.mark.parametrize("address", ["192.0.2.1", "8.8.8.8"])
def test_leaving_the_namespace_fails(kind: str, address: str) -> None:
    done = run_sealed(LEAVE.format(kind=kind, address=address))
    assert done.returncode == 1
    assert "OSError: [Errno 101] Network is unreachable" in done.stderr


def test_a_listener_of_the_host_cannot_be_reached() -> None:

    with socket.create_server(("127.0.0.1", 0)) as host:
        port = host.getsockname()[1]
        done = run_sealed(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)")
    assert "ConnectionRefusedError" in done.stderr


def test_only_loopback_is_there_and_it_works() -> None:
    code = (
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname(), 5)\n"
        "print([name for _, name in socket.if_nameindex()][0], len(open('/proc/net/route').readlines()))"
    )
    done = run_sealed(code)
    assert (done.stdout, done.stderr) == ("lo 1\n", "")


def test_the_user_stays_who_it_was() -> None:
    assert run_sealed("import os; print(os.getuid())").stdout == f"{os.getuid()}\n"


def test_nothing_of_the_callers_environment_is_handed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    made = base_environment(tmp_path, tmp_path)
    assert {"PIP_INDEX_URL", "PYTHONPATH", "LD_LIBRARY_PATH"} & set(made) == set()
    assert (made["HOME"], made["LC_ALL"], made["TZ"]) == (str(tmp_path), "C.UTF-8", "UTC")
