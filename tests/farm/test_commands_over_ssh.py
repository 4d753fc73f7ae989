"""`invoke build` and `invoke matrix` with `--workers ssh`, as a user types them, on hosts of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import until
from index_server import serving
from small_world import Invoked, World, found
from ssh_hosts import MASTER, SshHosts, Way, no_ssh_hosts, ssh_hosts

from ascend_wheelhouse.store.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(no_ssh_hosts()), reason=no_ssh_hosts())]
LONG = pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="a minute: nox -s cluster")
HOSTS = ("one", "two")
CELLS = ("--torch", "2.8.0", "--platform", "aarch64")
FARM = ("--offline", "--workers", "ssh", "--worker-hosts", ",".join(HOSTS))


@pytest.fixture(scope="module")
def site() -> Iterator[SshHosts]:
    with ssh_hosts({"one": Way(), "two": Way(user="builder", port=2222, key="other")}) as made:
        made.client()
        yield made


@pytest.fixture(scope="module")
def world(site: SshHosts) -> Iterator[World]:
    """A project in a folder that the master sees, its store filled with what two cells need but the built wheel."""
    with serving() as index:
        made = found(site.folder / "world", index)
        done = made.invoke("matrix", "--resolver", "uv", *CELLS, "--npu", "a3", "--npu", "910b")
        assert done.status == 0, done.err + done.out
        for one in (made.store / "results").glob("*/build-*"):
            for wheel in json.loads(one.read_text())["wheels"]:
                Store(made.store).path(wheel["sha256"]).unlink()
            one.unlink()
        yield made


def on_the_master(site: SshHosts, world: World, *words: str) -> Invoked:
    """Run a command where no index answers; each host has a store of its own, the master's without a built wheel.

    The other hosts are to be left without a process, and with nothing new in `/tmp`.
    """
    store = site.own / "store"
    for name in (*HOSTS, MASTER):
        site.on(name, "rm", "-rf", store)
    site.on(MASTER, "cp", "-r", world.store, store)
    before = {name: site.on(name, "ls", "/tmp") for name in HOSTS}  # noqa: S108 - the host's own
    program = Path(sys.executable).parent / "invoke"
    done = subprocess.run(
        [*site.inside(MASTER), program, "-r", world.root, *words],
        env={**world.env, "HOME": str(site.home), "WHEELHOUSE_STORE": str(store)},
        capture_output=True,
        text=True,
        check=False,
    )
    for name in HOSTS:
        until(lambda name=name: not site.left(name), f"nothing is left on {name}")
        assert site.on(name, "ls", "/tmp") == before[name]  # noqa: S108
    return Invoked(status=done.returncode, out=done.stdout, err=done.stderr)


def built_on(site: SshHosts, name: str) -> int:
    """Return how many builds the store of a host knows of."""
    return len(site.on(name, "find", site.own, "-name", "build-*.json").split())


def test_a_component_is_built_on_a_host_and_its_wheel_comes_home(site: SshHosts, world: World) -> None:
    done = on_the_master(
        site, world, "build", "sglang", *CELLS, *FARM, "--json", "--out", str(site.folder / "out")
    )
    assert done.status == 0, done.err
    begun = [json.loads(line) for line in done.err.splitlines() if '"job_started"' in line]
    assert {one["action"] for one in begun if one["job"] == "sglang"} <= {
        f"build on {name}" for name in HOSTS
    }
    assert begun
    assert sum(built_on(site, name) for name in HOSTS) == 1
    assert Path(json.loads(done.out)["path"]).is_file()


@LONG
def test_the_cells_of_a_matrix_build_on_the_hosts(site: SshHosts, world: World) -> None:
    out = site.folder / "all"
    chips = ("--npu", "a3", "--npu", "910b", "--output", str(out))
    done = on_the_master(site, world, "matrix", *CELLS, *chips, *FARM, "--json")
    assert done.status == 0, done.err
    rows = json.loads(done.out)["cells"]
    assert [one["state"] for one in rows] == ["incomplete", "incomplete"]  # nobody has the stand-in of NNAL
    assert sum(built_on(site, name) for name in HOSTS) == 1  # both cells want the same wheel
    assert {path.name for path in out.glob("*/wheels/sglang-*")} == {"sglang-1.0+npu-py3-none-any.whl"}
    assert len(list(out.glob("*/wheels/sglang-*"))) == len(rows)


@LONG
def test_a_host_that_cannot_be_reached_is_told_and_the_other_builds(site: SshHosts, world: World) -> None:
    site.network.link("one", "down")
    try:
        done = on_the_master(site, world, "build", "sglang", *CELLS, *FARM)
    finally:
        site.network.link("one", "up")
    assert done.status == 0, done.err
    assert "one is left out" in done.err
