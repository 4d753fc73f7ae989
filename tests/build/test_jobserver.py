from __future__ import annotations

import os
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.jobserver import Jobserver, jobserver, make_is_client, ninja_is_client, share
from ascend_wheelhouse.build.toolchain import Tool, Toolchain

RECIPES = Path(__file__).parents[2] / "recipes"


def toolchain(**versions: str) -> Toolchain:
    return Toolchain(
        tools=tuple(Tool(name=name, path="", version=text, identity="") for name, text in versions.items())
    )


def tokens(server: Jobserver) -> int:
    """Take every token that is free and put them back."""
    taken = os.read(server._end, 64)  # noqa: SLF001 - the FIFO itself is what is tested
    os.write(server._end, taken)  # noqa: SLF001
    return len(taken)


def test_each_build_holds_one_slot_of_the_common_supply() -> None:
    with jobserver(3) as server:
        assert tokens(server) == 3
        with server.slot(), server.slot():
            assert tokens(server) == 1
        assert tokens(server) == 3


def test_a_build_waits_until_a_slot_is_free() -> None:
    began = threading.Event()

    def build(server: Jobserver) -> None:
        with server.slot():
            began.set()

    with jobserver(1) as server:
        with server.slot():
            thread = threading.Thread(target=build, args=(server,))
            thread.start()
            assert not began.wait(0.1)
        assert began.wait(60)
        thread.join()


def test_the_flags_name_the_fifo_as_the_build_sees_it() -> None:
    with jobserver(4) as server:
        assert server.slots.makeflags("/build/jobserver") == " -j4 --jobserver-auth=fifo:/build/jobserver"


@pytest.mark.parametrize(("version", "client"), [("4.3", False), ("4.4", True), ("4.4.1", True)])
def test_only_make_4_4_may_see_a_fifo(version: str, client: bool) -> None:  # noqa: FBT001 - a table's column
    assert make_is_client(toolchain(make=version)) is client


def test_the_ninja_of_the_environment_counts_before_the_hosts() -> None:
    name = "ninja-1.13.0-py3-none-manylinux2014_x86_64.whl"
    brought = Artifact(filename=name, size=1, sha256="0" * 64)
    assert ninja_is_client(toolchain(ninja="1.11.1"), [brought])
    assert not ninja_is_client(toolchain(ninja="1.11.1"), [])


@pytest.mark.parametrize(
    ("jobs", "builds", "memory", "per_job", "wanted"),
    [(16, 1, 64000, 2048, 16), (16, 4, 64000, 2048, 4), (16, 1, 8000, 3072, 2), (2, 4, 900, 2048, 1)],
)
def test_without_a_jobserver_each_build_gets_a_share_of_cores_and_memory(
    jobs: int, builds: int, memory: int, per_job: int, wanted: int
) -> None:
    assert share(jobs, builds=builds, memory_mb=memory, per_job_mb=per_job) == wanted


NINJA_PROGRAM = Path(sys.executable).with_name("ninja")
NINJA = """rule busy
  command = {python} {script} {log}
{edges}
"""
BUSY = """
import fcntl, sys, time
def note(change):
    with open(sys.argv[1], "a+") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.write(f"{change}\\n")
def begun():
    return open(sys.argv[1]).read().split().count("1")
note(1)
while begun() < 2:  # the first waits for another one, of whichever ninja
    time.sleep(0.01)
time.sleep(0.05)
note(-1)
"""


def test_two_ninjas_together_never_run_more_jobs_than_there_are_slots(tmp_path: Path) -> None:
    assert ninja_is_client(toolchain(ninja=run([NINJA_PROGRAM, "--version"]).stdout.strip()), [])
    (tmp_path / "busy.py").write_text(BUSY)
    log = tmp_path / "log"
    with jobserver(2) as server:
        for name in ("one", "two"):
            edges = "\n".join(f"build out{number}: busy" for number in range(6))
            (tmp_path / name).mkdir()
            text = NINJA.format(python=sys.executable, script=tmp_path / "busy.py", log=log, edges=edges)
            (tmp_path / name / "build.ninja").write_text(text)
        threads = [threading.Thread(target=_ninja, args=(server, tmp_path / name)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    running = [sum(map(int, log.read_text().split()[:end])) for end in range(1, 25)]
    assert max(running) == 2


def _ninja(server: Jobserver, place: Path) -> None:
    with server.slot():
        env = {"PATH": "/usr/bin:/bin", "MAKEFLAGS": server.slots.makeflags(str(server.slots.path))}
        run([NINJA_PROGRAM], cwd=place, env=env)


@pytest.mark.parametrize("cores", [8, 64])
def test_torch_npu_never_makes_a_machine_of_24_gib_swap(cores: int) -> None:
    recipe = tomllib.loads((RECIPES / "torch-npu.toml").read_text("utf-8"))
    each = recipe["build"]["memory_mb"]
    free = 24 * 1024 - 1500  # what such a machine has left once it runs
    assert 1 <= share(cores, builds=1, memory_mb=free, per_job_mb=each) * each <= free
