"""Builds through podman itself, in an image made on the spot from Debian's packages; no registry is asked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import upstreams
from making_builds import SMALL, Bench, cell, recipe_of, sdist_recipe
from podman_rig import IMAGE, podman_with
from stand_ins import HEADER_SHA256, HEADER_URL, torch_npu
from tiny import tiny_job

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.command import build_component
from ascend_wheelhouse.build.container import Container
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.reproduce import reproduce
from ascend_wheelhouse.build.sandbox import find_sandbox
from ascend_wheelhouse.build.script import NetworkWantedError, StepFailedError
from ascend_wheelhouse.build.toolchain import find_toolchain
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.store.store import Store

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman"),
]

CELL = cell({"torch": "2.8.0", "torch-npu": "2.8.0.post2", "xxhash": "3.6.0"})


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[str]:
    """Put a `podman` on PATH that has the image."""
    with podman_with() as program, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(program).parent}:{os.environ['PATH']}")
        yield program


def built(bench: Bench, recipe: Recipe, where: Cell) -> BuiltWheel:
    """Lock a component, build it in the image and return its wheel."""
    sources = bench.lock(recipe, where)
    workshop = replace(bench.workshop, container=IMAGE)
    done = build_component(recipe, where, sources, workshop)
    assert isinstance(done, list), done
    return done[0]


def tiny_builder(folder: Path, *steps: tuple[str, ...]) -> BuiltWheel:
    """Build the tiny component in the image."""
    container = Container.of(IMAGE, ("podman",))
    job, _ = tiny_job(folder, CELL, *steps)
    (wheel,) = builder_in(container, folder).build(job, find_toolchain({}, probe=container.probe))
    return wheel


def builder_in(container: Container, folder: Path) -> Builder:
    """Return a builder for the tiny component of a folder."""
    interpreter = container.interpreter("3.11")
    store = Store(folder / "store")
    return Builder(store=store, sandbox=container, emit=silent, interpreter=lambda _: interpreter)


def test_the_sandbox_and_the_container_give_the_same_bytes_with_the_same_tools(tmp_path: Path) -> None:
    contained = tiny_builder(tmp_path / "image")
    toolchain = find_toolchain({})
    if {contained.toolchain[name] for name in ("gcc", "binutils", "glibc")} != {
        toolchain.identity[name] for name in ("gcc", "binutils", "glibc")
    }:
        pytest.skip("this host's compilers are not those of the archive")
    job, store = tiny_job(tmp_path / "sealed", CELL)
    (sealed,) = Builder(store=store, sandbox=find_sandbox(), emit=silent).build(job, toolchain)
    assert contained.sha256 == sealed.sha256
    assert contained.sandbox.startswith(f"container:{IMAGE}@sha256:")


def test_torch_npus_stand_in_is_built_in_the_image(tmp_path: Path) -> None:
    stand_in = torch_npu(tmp_path / "servers")
    header = {"url": HEADER_URL, "sha256": HEADER_SHA256}
    recipe = recipe_of("torch-npu", requirements=SMALL, toolchain={}, variants=[], downloads=[header])
    wheel = built(Bench(root=tmp_path / "store", mirrors=stand_in.mirrors), recipe, CELL)
    assert wheel.filename.startswith("torch_npu-2.8.0.post2")
    assert "linux_" in wheel.filename


def test_a_real_package_built_in_the_image_imports_here(tmp_path: Path) -> None:
    bench = Bench(root=tmp_path / "store")
    wheel = built(bench, sdist_recipe("xxhash"), CELL)
    shutil.unpack_archive(bench.store.path(wheel.sha256), tmp_path / "site", "zip")
    code = "import xxhash; print(xxhash.xxh64_hexdigest(b'wheelhouse'))"
    done = run([sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path / "site")})
    assert len(done.stdout.strip()) == 16


def test_libraries_are_copied_out_of_the_image_with_what_they_need(tmp_path: Path) -> None:
    container = Container.of(IMAGE, ("podman",))
    found = container.libraries(
        ["libstdc++.so.6", "no.so.1"], tmp_path, machine=os.uname().machine, left=["libm.*"]
    )
    loader = {name for name in found.known if name.startswith("ld-linux")}
    assert found.known.keys() - loader == {"libstdc++.so.6", "libgcc_s.so.1", "libc.so.6"}
    assert "libc.so.6 (sha256 " in found.known["libc.so.6"].told
    assert found.known["libc.so.6"].told.endswith(f" of {container.identity}")


def test_a_component_is_built_twice_in_containers_and_what_they_cannot_vary_is_told(tmp_path: Path) -> None:
    container = Container.of(IMAGE, ("podman",))
    builder = builder_in(container, tmp_path)
    job, _ = tiny_job(tmp_path, CELL)
    report = reproduce(job, find_toolchain({}, probe=container.probe), builder)
    assert report.bit_equal
    assert {"root", "clock", "umask", "hostname"} <= set(report.varied)
    assert dict(report.not_varied)["user"] == "a container runs as the user who starts it"


def test_a_build_in_the_image_that_wants_the_network_fails_and_says_for_which_host(tmp_path: Path) -> None:
    with pytest.raises(NetworkWantedError, match=r"wants the network: wheels\.example\.org"):
        tiny_builder(tmp_path, ("git", "clone", "https://wheels.example.org/x.git"))


def test_a_killed_build_takes_its_container_along(tmp_path: Path, engine: str) -> None:
    container = Container.of(IMAGE, ("podman",))
    code = "import test_real_engine as t, pathlib, sys; t.tiny_builder(pathlib.Path(sys.argv[1]), ('sleep', '600'))"
    words = [sys.executable, "-c", code, str(tmp_path)]
    helpers = (Path(__file__).parent, Path(upstreams.__file__).parent)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, helpers))}
    with subprocess.Popen(words, env=env, start_new_session=True) as process:
        try:
            wait_until(lambda: containers(engine) == 1)
            for child in children(process.pid):
                with suppress(ProcessLookupError):  # the command of the step alone leads a group
                    os.killpg(child, signal.SIGKILL)
        finally:
            process.kill()
    wait_until(lambda: containers(engine) == 0)
    assert container.probe("echo still here").strip() == "still here"


def containers(engine: str) -> int:
    """Count the builds' containers that run."""
    return len(run([engine, "ps", "--quiet", "--filter", "name=wheelhouse-"]).stdout.split())


def children(parent: int) -> list[int]:
    """Return the processes that a process started."""
    listed = run(["ps", "-o", "pid=", "--ppid", str(parent)], check=False).stdout
    return [int(word) for word in listed.split()]


def wait_until(true: Callable[[], bool]) -> None:
    """Wait a minute at most."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_failed_build_leaves_a_command_that_opens_a_shell_in_the_container(tmp_path: Path) -> None:
    with pytest.raises(StepFailedError, match="tiny failed") as caught:
        tiny_builder(tmp_path, ("false",))
    script = caught.value.next_step.split()[1]
    words = ["script", "--quiet", "--return", "--command", f"sh {script}", "/dev/null"]
    done = run(words, stdin="echo $(hostname) has $(ls make.py)\nexit 7\n", check=False, timeout=60)
    assert "builder has make.py" in done.stdout
    assert done.status == 7
