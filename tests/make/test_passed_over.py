"""A file imported after its lock was made is not in the wheelhouse: each run says so, and what takes it."""

from __future__ import annotations

import io
import json
import shlex
import tarfile

import pytest
from small_world import World, sdist, wheel

pytest_plugins = ["world_fixtures"]
_SAID = "Imported, but not taken, since the lock names"


@pytest.fixture
def locked_world(fresh_world: World) -> World:
    """A world whose cell has a lock, made from its index."""
    done = fresh_world.make()
    assert done.status == 0, done.err
    assert _SAID not in done.out + done.err
    return fresh_world


def replaced(world: World, component: str) -> str:
    """Import other bytes under the name of a component's locked wheel, and return that name."""
    files = json.loads((world.folder / "manifest.json").read_text())["files"]
    (entry,) = (one for one in files if one.get("component") == component and one["kind"] == "wheel")
    name = entry["path"].removeprefix("wheels/")
    (world.root / name).write_bytes(wheel(entry["name"], entry["version"], []))
    done = world.invoke("vendor", name, "--component", component)
    assert done.status == 0, done.err
    return str(name)


def origins(world: World) -> dict[str, str]:
    files = json.loads((world.folder / "manifest.json").read_text())["files"]
    return {one["component"]: one["origin"] for one in files if one.get("component")}


def test_a_wheel_of_ones_own_is_told_by_each_run_and_taken_by_the_command_that_is_named(
    locked_world: World,
) -> None:
    name = replaced(locked_world, "torch-npu")
    for task in ("wheelhouse", "fetch", "plan"):
        told = locked_world.invoke(task)
        assert told.status == 0, told.err
        assert f"{_SAID} another file: {name} (sha256 " in told.err + told.out, (task, told.err)
    assert origins(locked_world)["torch-npu"] == "index"
    command = "lock --upgrade" + (told.out + told.err).split("`invoke lock --upgrade")[1].split("`")[0]
    done = locked_world.invoke(*shlex.split(command))
    assert done.status == 0, done.err
    done = locked_world.make()
    assert (done.status, _SAID in done.out + done.err) == (0, False), done.err
    assert origins(locked_world)["torch-npu"] == "vendored"


def test_a_source_of_ones_own_is_told_where_it_would_be_built(locked_world: World) -> None:
    path = locked_world.root / "sglang-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("sglang-1.0/ours.txt")
        archive.addfile(member, io.BytesIO())
    done = locked_world.invoke("vendor", path.name, "--component", "sglang")
    assert done.status == 0, done.err
    replaced(locked_world, "torch-npu")
    told = locked_world.invoke("build", "sglang")
    assert f"{_SAID} another file: sglang-1.0.tar.gz (sha256 " in told.err + told.out
    told = locked_world.make()
    assert f"{_SAID} others: sglang-1.0.tar.gz (sha256 " in told.err + told.out


def test_the_same_bytes_are_no_other_file(locked_world: World) -> None:
    (path,) = (locked_world.folder / "wheels").glob("torch_npu-*.whl")
    assert locked_world.invoke("vendor", str(path)).status == 0
    told = locked_world.make()
    assert (told.status, _SAID in told.err + told.out) == (0, False)


def test_a_lock_with_an_imported_file_says_so_on_another_host(locked_world: World) -> None:
    name = replaced(locked_world, "torch-npu")
    done = locked_world.invoke("lock", "--upgrade", "--resolver", "uv")
    assert done.status == 0, done.err
    elsewhere = {"WHEELHOUSE_STORE": str(locked_world.root / "of-another-host")}
    done = locked_world.make("--json", "--output", "elsewhere", **elsewhere)
    told = json.loads(done.out.splitlines()[-1])
    assert (done.status, told["error"]) == (4, "ImportedElsewhereError")
    assert told["what"].startswith(f"{name} (sha256 ")
    assert told["why"] == "The index offers another file of that name."
    planned = locked_world.invoke("plan", "--json", **elsewhere)
    assert (
        f"{name} was imported where the lock was made, and is not here: `invoke vendor FILE`" in planned.out
    )


def test_a_lock_with_an_imported_source_says_so_on_another_host(locked_world: World) -> None:
    path = locked_world.root / "sglang-1.0.tar.gz"
    path.write_bytes(sdist() + b"\0" * 512)
    assert locked_world.invoke("vendor", path.name, "--component", "sglang").status == 0
    done = locked_world.invoke("lock", "--upgrade", "--resolver", "uv")
    assert done.status == 0, done.err
    elsewhere = {"WHEELHOUSE_STORE": str(locked_world.root / "of-another-host")}
    done = locked_world.make("--json", "--output", "elsewhere", **elsewhere)
    told = json.loads(done.out.splitlines()[-1])
    assert (done.status, told["error"]) == (4, "ImportedElsewhereError"), done.err
    assert told["what"].startswith("sglang-1.0.tar.gz (sha256 ")
