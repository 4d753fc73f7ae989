"""The pieces of `deploy/` that need no cluster: the relay between nodes, and the Slurm script with made-up tools."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.signing import Signer, generate_key

DEPLOY = Path(__file__).parents[2] / "deploy"
RELAY = DEPLOY / "ansible_collections/ascend_wheelhouse/cluster/roles/sglang_npu/files/relay.py"


def relay(*words: str | Path) -> dict[str, object]:
    command: list[str | Path] = [sys.executable, RELAY, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer if isinstance(answer, dict) else {"items": done.stdout}


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, str]]:
    """A folder that is served: the folder, its items and the port."""
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "b.tar").write_bytes(os.urandom(3_000_000))
    items, port = str(relay("index", folder / "b.tar")["items"]), free_port()
    relay("serve", "--folder", folder, "--port", port, "--seconds", "60")
    try:
        yield folder, items, port
    finally:
        relay("stop", "--folder", folder)


def test_a_node_fetches_what_another_one_has(tmp_path: Path, served: tuple[Path, str, str]) -> None:
    folder, items, port = served
    options = ("--folder", tmp_path / "second", "--items", items, "--port", port)
    assert relay("have", *options) == {"have": False}
    answer = relay("fetch", *options, "--peers", "127.0.0.1")
    assert answer == {"changed": True, "sent": {"127.0.0.1": 3_000_000}}
    assert (tmp_path / "second/b.tar").read_bytes() == (folder / "b.tar").read_bytes()
    assert relay("fetch", *options, "--peers", "127.0.0.1") == {"changed": False, "sent": {}}


def test_a_transfer_goes_on_where_it_stopped(tmp_path: Path, served: tuple[Path, str, str]) -> None:
    folder, items, port = served
    (tmp_path / "second").mkdir()
    (tmp_path / "second/b.tar.part").write_bytes((folder / "b.tar").read_bytes()[:2_000_000])
    options = ("--folder", tmp_path / "second", "--items", items, "--port", port)
    assert relay("fetch", *options, "--peers", "127.0.0.1")["sent"] == {"127.0.0.1": 1_000_000}


def test_bytes_that_are_not_the_ones_named_are_thrown_away(
    tmp_path: Path, served: tuple[Path, str, str]
) -> None:
    _, items, port = served
    (tmp_path / "second").mkdir()
    (tmp_path / "second/b.tar.part").write_bytes(b"evil" * 100)
    options = ("--folder", tmp_path / "second", "--items", items, "--port", port)
    assert relay("fetch", *options, "--peers", "127.0.0.1")["sent"] == {"127.0.0.1": 2 * 3_000_000 - 400}
    assert relay("have", *options) == {"have": True}


@pytest.mark.parametrize("name", ["../first.txt", ".relay.pid", "missing"])
def test_nothing_else_is_served(served: tuple[Path, str, str], name: str) -> None:
    folder, _, port = served
    (folder.parent / "first.txt").touch()
    with contextlib.closing(socket.create_connection(("127.0.0.1", int(port)))) as connection:
        connection.sendall(f"GET /{name} HTTP/1.0\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.0 404")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Signer]:
    """A signed bundle in one file, and its key."""
    folder = tmp_path_factory.mktemp("signed")
    key = generate_key(folder / "key")
    house = SmallWheelhouse(serial=1).write(folder / "house")
    made = bundle_command(house, out=folder / "b.tar", sign_key=key.path, serial=1, allow_incomplete=True)
    return made.paths[0], key


def test_the_installer_is_unpacked_from_a_bundle_once(tmp_path: Path, signed: tuple[Path, Signer]) -> None:
    shutil.copy(signed[0], tmp_path / "b.tar")
    options = ("--folder", tmp_path, "--items", str(relay("index", tmp_path / "b.tar")["items"]))
    target = tmp_path / "installer"
    assert relay("installer", *options, "--target", target) == {"changed": True}
    assert relay("installer", *options, "--target", target) == {"changed": False}
    assert sorted(path.name for path in target.iterdir()) == ["install.py", "manifest.json", "node"]
    assert (target / "node/install.py").is_file()


def test_the_slurm_script_installs_on_a_node_and_keeps_its_answer(
    tmp_path: Path, signed: tuple[Path, Signer]
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    scripts = {
        "sbcast": 'shift; exec cp "$1" "$2"',
        "srun": 'for word; do case "$word" in --output=*) out="${word#--output=}" ;; --*) ;; *) break ;; esac; '
        'shift; done; out=$(echo "$out" | sed "s/%N/n1/"); "$@" > "$out"',
        "python3.11": f'exec {sys.executable} "$@"',
    }
    for name, text in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    bundle, key = signed
    command: list[str | Path] = [DEPLOY / "slurm/install.sh", bundle, tmp_path / "npu", key.fingerprint]
    env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    for changed in (True, False):
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / "receipts/n1.json").read_text())["changed"] is changed
