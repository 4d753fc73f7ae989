"""Ctrl-C while a server does not answer: the run ends, without waiting for what nobody will say."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import serving
from small_world import ROOT, World, found, recipes_into

CELL = ("--torch", "2.8.0", "--platform", "aarch64")


class Silent:
    """A server that takes every connection and answers nothing."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/simple/"
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        kept = []
        while True:
            kept.append(self._socket.accept()[0])
            kept[-1].recv(1)
            self.asked.set()


@pytest.fixture(scope="module")
def locked_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving() as index:
        made = found(tmp_path_factory.mktemp("locked-once"), index)
        done = made.invoke("lock", "--resolver", "uv", *CELL)
        assert done.status == 0, done.err
        yield made


@pytest.mark.parametrize(
    "words",
    [
        ("lock", "--resolver", "uv", "--upgrade", *CELL),
        ("watch",),
        ("wheelhouse", *CELL),
        ("fetch", *CELL),
        ("matrix", "--resolver", "uv", "--npu", "a3", *CELL),
    ],
    ids=lambda words: words[0],
)
def test_a_run_that_waits_for_a_silent_server_ends_at_ctrl_c(
    locked_once: World, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """The server would be waited for ten minutes, and be asked again after that."""
    recipes_into(tmp_path / "recipes")
    (tmp_path / "tasks.py").symlink_to(ROOT / "tasks.py")
    shutil.copytree(locked_once.root / "lockfiles", tmp_path / "lockfiles")
    silent = Silent()
    world = World(root=tmp_path, index=locked_once.index)
    env = {**world.env, "PIP_INDEX_URL": silent.url, "PIP_TIMEOUT": "600"}
    command = [f"{Path(sys.executable).parent}/invoke", *words]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE) as process:
        try:
            assert silent.asked.wait(60)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert b"Stopped." in err
