"""A wheelhouse carries its sources: an empty store on a host without any server builds from it alone."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from index_server import serving
from small_world import World, found, recipes_into

from ascend_wheelhouse.store.store import Store

MACHINE = platform.machine()
OTHER = "aarch64" if MACHINE == "x86_64" else "x86_64"
_MAKE = """
import os, subprocess, zipfile
subprocess.check_call(["gcc", "-shared", "-fPIC", "-o", "torch_npu.so", "plugin/code.c"])
name = "torch_npu-2.8.0.post2"
tag = f"cp311-cp311-linux_{os.uname().machine}"
os.makedirs("dist")
with zipfile.ZipFile(f"dist/{name}-{tag}.whl", "w") as wheel:
    wheel.write("torch_npu.so", "torch_npu/_C.so")
    wheel.writestr(f"{name}.dist-info/METADATA",
                   "Metadata-Version: 2.1\\nName: torch-npu\\nVersion: 2.8.0.post2\\nRequires-Dist: torch==2.8.0\\n")
    wheel.writestr(f"{name}.dist-info/WHEEL", f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n")
    rows = [*wheel.namelist(), f"{name}.dist-info/RECORD"]
    wheel.writestr(f"{name}.dist-info/RECORD", "".join(f"{row},,\\n" for row in rows))
"""
_RECIPE = """
[[origins]]
kind = "git"
url = "https://hub.test/npu.git"
ref = "v2.8.0-7.3.0"

[build]
steps = [["wget", "-q", "-O", "data.txt", "https://files.test/data.txt"], ["python3", "make.py"]]
artifacts = ["dist/*.whl"]
distributions = ["torch-npu"]
memory_mb = 64

[[build.downloads]]
url = "https://files.test/data.txt"
sha256 = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
"""


def upstream(servers: Path) -> None:
    """Make the project with one submodule, and a file beside them that its build downloads."""
    plugin = repository(
        servers / "plugin.git", {"code.c": "#include <stdlib.h>\nvoid *answer(void) { return malloc(42); }\n"}
    )
    modules = '[submodule "plugin"]\npath = plugin\nurl = https://hub.test/plugin.git\n'
    top = servers / "npu.git"
    repository(top, {"make.py": _MAKE, ".gitmodules": modules}, submodule=("plugin", plugin))
    (servers / "data.txt").write_text("data")


def repository(place: Path, files: Mapping[str, str], *, submodule: tuple[str, str] | None = None) -> str:
    """Make a repository of one commit, on a branch named as torch_npu's are, and return the commit."""
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / name).write_text(text)
    git(place, "init", "--quiet", "--initial-branch=v2.8.0-7.3.0")
    git(place, "add", "--all")
    if submodule:
        git(place, "update-index", "--add", "--cacheinfo", f"160000,{submodule[1]},{submodule[0]}")
    git(place, "commit", "--quiet", "--message", "Change")
    return git(place, "rev-parse", "HEAD")


def git(place: Path, *words: str) -> str:
    """Run git as the upstream's author."""
    person = ("-c", "user.name=Upstream", "-c", "user.email=up@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", str(place), *person, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def with_build(root: Path) -> None:
    """Let torch-npu's recipe build it."""
    recipe = root / "recipes/torch-npu.toml"
    recipe.write_text(recipe.read_text() + _RECIPE)


def folder_of(world: World, machine: str) -> Path:
    """Return the wheelhouse for a machine."""
    return world.root / f"wheelhouse/sglang1.0-torch2.8.0-cann8.5.0-a3-{machine}"


def files_of(folder: Path) -> list[dict[str, Any]]:
    """Return the files that a manifest lists."""
    rows: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text())["files"]
    return rows


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A host that reaches every server, and has made the wheelhouses of both machines."""
    root = tmp_path_factory.mktemp("connected")
    servers = root / "servers"
    upstream(servers)
    with serving() as index:
        world = found(root, index)
        with_build(root)
        (root / "mirrors.toml").write_text(
            f'[mirrors]\n"https://hub.test/" = "file://{servers}/"\n"https://files.test/" = "file://{servers}/"\n'
        )
        for machine in (MACHINE, OTHER):
            done = world.make("--build", "torch-npu", "--platform", machine)
            assert done.status == 0, done.err + done.out
        yield world


@pytest.fixture
def offline(connected: World, tmp_path: Path) -> World:
    """A host with the project's recipes and an empty store, from which no server answers."""
    recipes_into(tmp_path / "recipes")
    with_build(tmp_path)
    (tmp_path / "tasks.py").symlink_to(connected.root / "tasks.py")
    return World(root=tmp_path, index=connected.index)


def carried(connected: World, offline: World, machine: str) -> Path:
    """Return the wheelhouse as it came over the air gap."""
    return Path(shutil.copytree(folder_of(connected, machine), offline.root / "carried"))


def invoke(world: World, *words: str) -> str:
    """Run `invoke` where no server answers and return what it printed."""
    done = world.invoke(*words, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.status == 0, done.err + done.out
    return done.out


def test_every_source_of_a_built_component_lies_in_the_wheelhouse_and_in_its_manifest(
    connected: World,
) -> None:
    folder = folder_of(connected, MACHINE)
    rows = {row["name"]: row for row in files_of(folder) if row["kind"] == "source"}
    assert set(rows) == {"npu", "plugin", "data.txt", "sglang", "tinybuild"}
    assert rows["npu"]["path"] == f"sources/npu-{rows['npu']['version']}.bundle"
    assert rows["npu"]["note"] == "https://hub.test/npu.git"
    assert {path.name for path in (folder / "sources").iterdir()} == {
        row["path"].removeprefix("sources/") for row in rows.values()
    }
    locked = tomllib.loads((folder / f"sources.{MACHINE}.toml").read_text())["source"]
    (build,) = [source["build"] for source in locked if source["component"] == "torch-npu"]
    commits = {module["commit"] for module in build["git"]["modules"]}
    assert commits == {rows["npu"]["version"], rows["plugin"]["version"]}


def test_an_empty_store_builds_from_the_wheelhouse_without_a_server(connected: World, offline: World) -> None:
    folder = carried(connected, offline, MACHINE)
    taken = json.loads(invoke(offline, "vendor", str(folder), "--json"))
    assert (taken["lock_put"], len(taken["commits"])) == (True, 2)
    (wheel,) = [row for row in files_of(folder) if row["kind"] == "wheel" and row["component"] == "torch-npu"]
    Store(offline.store).path(wheel["sha256"]).unlink()
    built = json.loads(invoke(offline, "build", "torch-npu", "--platform", MACHINE, "--offline", "--json"))
    assert built["sha256"] == wheel["sha256"]
    invoke(offline, "wheelhouse", "--build", "torch-npu", "--platform", MACHINE, "--offline")
    again, before = (
        [row for row in files_of(each) if row["kind"] in {"wheel", "source", "lock"}]
        for each in (folder_of(offline, MACHINE), folder)
    )
    assert again == before


def test_a_build_is_held_to_the_digest_that_the_lock_has(connected: World, offline: World) -> None:
    folder = carried(connected, offline, MACHINE)
    invoke(offline, "vendor", str(folder))
    (wheel,) = [row for row in files_of(folder) if row["kind"] == "wheel" and row["component"] == "torch-npu"]
    locked = offline.root / f"lockfiles/sglang1.0-torch2.8.0-cann8.5.0-a3/sources.{MACHINE}.toml"
    table = tomllib.loads(locked.read_text())
    (source,) = [source for source in table["source"] if source["component"] == "torch-npu"]
    source["wheel"] = {key: wheel[key] for key in ("name", "version", "size")} | {
        "filename": Path(wheel["path"]).name,
        "sha256": "0" * 64,
    }
    locked.write_text(tomli_w.dumps(table))
    done = offline.invoke("build", "torch-npu", "--platform", MACHINE, "--offline")
    assert done.status == 5
    assert f"was built with sha256 {wheel['sha256']}, the lock says {'0' * 64}" in done.err
    assert "invoke reproduce torch-npu" in done.err


def test_what_the_connected_host_cannot_build_is_carried_all_the_same(
    connected: World, offline: World
) -> None:
    folder = carried(connected, offline, OTHER)
    document = json.loads((folder / "manifest.json").read_text())
    assert "torch-npu" in {item["component"] for item in document["pending"]}
    assert len(list((folder / "sources").glob("*.bundle"))) == 2
    invoke(offline, "vendor", str(folder))
    lock = offline.root / "lockfiles" / document["stack"]
    assert 'component = "torch-npu"' in (lock / f"sources.{OTHER}.toml").read_text()


def test_a_file_that_was_damaged_on_the_way_is_refused_by_name(connected: World, offline: World) -> None:
    folder = carried(connected, offline, MACHINE)
    bundle = next((folder / "sources").glob("plugin-*.bundle"))
    bundle.chmod(0o644)
    bundle.write_bytes(bundle.read_bytes() + b"x")
    done = offline.invoke("vendor", str(folder))
    assert done.status == 5
    assert bundle.name in done.err


def test_a_folder_that_is_no_wheelhouse_is_refused(offline: World) -> None:
    done = offline.invoke("vendor", str(offline.root / "recipes"))
    assert done.status == 2
    assert "recipes is not a wheelhouse: it has no manifest.json." in done.err


def test_a_lock_of_the_project_stays(connected: World, offline: World) -> None:
    folder = carried(connected, offline, MACHINE)
    invoke(offline, "vendor", str(folder))
    lock = offline.root / f"lockfiles/sglang1.0-torch2.8.0-cann8.5.0-a3/payloads.{MACHINE}.toml"
    lock.write_text(lock.read_text() + "# reviewed\n")
    done = offline.invoke("vendor", str(folder))
    assert done.status == 0, done.err
    assert "and it stays" in done.err
    assert lock.read_text().endswith("# reviewed\n")


def test_pruning_keeps_what_the_locked_sources_need(connected: World, offline: World) -> None:
    invoke(offline, "vendor", str(carried(connected, offline, MACHINE)))
    invoke(offline, "cache", "--prune")
    store = Store(offline.store)
    rows = [row for row in files_of(folder_of(connected, MACHINE)) if row["kind"] == "source"]
    assert {row["name"] for row in rows if not store.has(row["sha256"])} <= {"data.txt"}


def test_a_source_that_is_nowhere_any_more_is_told_and_left_out(connected: World, offline: World) -> None:
    folder = carried(connected, offline, MACHINE)
    invoke(offline, "vendor", str(folder))
    (bundle,) = [row for row in files_of(folder) if row["name"] == "plugin"]
    Store(offline.store).path(bundle["sha256"]).unlink()
    done = offline.make("--build", "torch-npu", "--platform", MACHINE, "--offline")
    assert done.status == 0, done.err
    assert f"sources/ lacks plugin-{bundle['version']}.bundle" in done.out
    assert not list((folder_of(offline, MACHINE) / "sources").glob("plugin-*"))
