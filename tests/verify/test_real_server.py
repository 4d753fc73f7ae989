"""The real SGLang server of a wheelhouse that this tool made for x86_64, where its way of failing matters.

The happy path, the key and the stop are `nox -s verify`'s own server check.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from pathlib import Path

import pytest

from ascend_wheelhouse.node import sealed, tiny_model
from ascend_wheelhouse.node.probes.server import ON_CPU
from ascend_wheelhouse.node.server_process import (
    PortTakenError,
    Server,
    ServerDiedError,
    ServerPlan,
    free_port,
)
from ascend_wheelhouse.verify import environment, found, stubbing

ROOT = Path(__file__).parents[2]
MADE = sorted(ROOT.glob("wheelhouse/*torch2.13.0*-x86_64/manifest.json"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MADE or platform.machine() != "x86_64",
        reason="no x86_64 wheelhouse here: invoke wheelhouse --torch 2.13.0 --platform x86_64",
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of the wheelhouse, with stand-in CANN libraries beside it."""
    work = tmp_path_factory.mktemp("served")
    wheelhouse = found.find(MADE[-1].parent, ROOT)
    environment.make(wheelhouse, work / "environment", backend="uv", network=not sealed.can_seal())
    site_packages = work / "environment" / "lib" / "python3.11" / "site-packages"
    stubbing.make(site_packages, work / "stubs", "x86_64", stubbing.system_folders(Path("/"), "x86_64"))
    return work


def plan(served: Path, folder: Path, model: str, port: int) -> ServerPlan:
    (folder / "home").mkdir()
    words = [str(served / "environment/bin/python"), "-s", "-P", "-m", "sglang.launch_server"]
    return ServerPlan(
        words=[
            *words,
            "--model-path",
            model,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            *ON_CPU["arguments"],
        ],
        environment={
            **sealed.base_environment(folder / "home", Path(os.environ.get("TMPDIR", "/tmp"))),  # noqa: S108 - sockets need a short path
            **ON_CPU["environment"],
            "LD_LIBRARY_PATH": str(served / "stubs"),
            "PYTHONPATH": str(ROOT / "tests/standins"),
        },
        port=port,
        folder=folder,
        healthy_seconds=300,
    )


def test_a_missing_model_ends_the_start_with_its_cause(served: Path, tmp_path: Path) -> None:
    with (
        Server(plan(served, tmp_path, "/no/such/model", free_port())) as server,
        pytest.raises(ServerDiedError, match=r"^the server ended by itself with status 1; "),
    ):
        server.wait_healthy()
    assert server.family.alive() == []


def test_a_port_taken_after_our_look_is_seen_though_the_server_hangs(served: Path, tmp_path: Path) -> None:
    made = plan(served, tmp_path, str(_model(served)), free_port())
    with (
        Server(made) as server,
        socket.create_server(("127.0.0.1", made.port)),
        pytest.raises(PortTakenError, match=r"found port \d+ taken, and hangs"),
    ):
        server.wait_healthy()
    assert server.family.alive() == []


def _model(served: Path) -> Path:
    """Make the tiny model with the environment's own libraries."""
    folder = served / "tiny"
    if not (folder / "model.safetensors").is_file():
        python = served / "environment/bin/python"
        environ = {"PATH": os.environ["PATH"], "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
        subprocess.run([python, "-I", tiny_model.__file__, "make", folder], env=environ, check=True)
    return folder
