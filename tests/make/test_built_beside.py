"""A component that needs another one's wheel at build time gets the one that the same run builds."""

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
from index_server import serving
from small_world import World, found

MACHINE = platform.machine()
_ZIP = """
import os, subprocess, sys, zipfile
def pack(name, version, members, needs):
    subprocess.check_call(["gcc", "-shared", "-fPIC", "-o", "_C.so", "code.c"])
    tag = f"cp311-cp311-linux_{os.uname().machine}"
    info = f"{name}-{version}.dist-info"
    os.makedirs("dist")
    with zipfile.ZipFile(f"dist/{name}-{version}-{tag}.whl", "w") as wheel:
        wheel.write("_C.so", f"{members}/_C.so")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{needs}")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n")
        rows = [*wheel.namelist(), f"{info}/RECORD"]
        wheel.writestr(f"{info}/RECORD", "".join(f"{row},,\\n" for row in rows))
"""
_NPU = f"""{_ZIP}
pack("torch_npu", "2.8.0.post2", "torch_npu", "Requires-Dist: torch==2.8.0\\n")
"""
_KERNELS = f"""{_ZIP}
from importlib.metadata import files
if not any(file.name == "_C.so" for file in files("torch-npu")):
    sys.exit("this torch_npu is the index's")
pack("triton_ascend", "3.2.0", "triton", "")
"""
_RECIPE = """
[[origins]]
kind = "git"
url = "https://hub.test/{name}.git"
ref = "main"

[build]
steps = [["python", "make.py"]]
requirements = [{requirements}]
artifacts = ["dist/*.whl"]
distributions = ["{name}"]
memory_mb = 64
toolchain = {{ gcc = "{gcc}" }}
"""


def repository(place: Path, files: Mapping[str, str]) -> None:
    """Make a repository of one commit."""
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / name).write_text(text)
    person = ("-c", "user.name=Upstream", "-c", "user.email=up@example.org", "-c", "commit.gpgsign=false")
    for words in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", "Change"),
    ):
        subprocess.run(["git", "-C", str(place), *person, *words], check=True)


def furnish(world: World, *, gcc: str = ">=4") -> None:
    """Give both components a repository and a build table; torch_npu's asks for a gcc."""
    servers = world.root / "servers"
    code = "#include <stdlib.h>\nvoid *answer(void) { return malloc(42); }\n"
    repository(servers / "torch-npu.git", {"make.py": _NPU, "code.c": code})
    repository(servers / "triton-ascend.git", {"make.py": _KERNELS, "code.c": code})
    for name, requirements, bound in (
        ("torch-npu", "", gcc),
        ("triton-ascend", '"torch-npu=={torch_npu}"', ">=4"),
    ):
        path = world.root / f"recipes/{name}.toml"
        table = _RECIPE.format(name=name, requirements=requirements, gcc=bound)
        text = path.read_text() + table
        path.write_text(text if name == "torch-npu" else f'needs = ["torch-npu"]\n{text}')
    (world.root / "mirrors.toml").write_text(f'[mirrors]\n"https://hub.test/" = "file://{servers}/"\n')


def made(world: World, *words: str) -> dict[str, Any]:
    """Make the wheelhouse with both built, and return its manifest."""
    both = ("--build", "torch-npu", "--build", "triton-ascend", "--platform", MACHINE)
    done = world.make(*both, *words)
    assert done.status == 0, done.err + done.out
    folder = world.root / f"wheelhouse/sglang1.0-torch2.8.0-cann8.5.0-a3-{MACHINE}"
    document: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return document


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving() as index:
        yield found(tmp_path, index)


def test_the_kernels_are_built_against_the_torch_npu_of_the_same_run(world: World) -> None:
    furnish(world)
    document = made(world)
    built = {
        row["component"] for row in document["files"] if row["kind"] == "wheel" and row["origin"] == "git"
    }
    assert built == {"torch-npu", "triton-ascend"}
    (lock,) = (world.root / "lockfiles").glob("*/sources.*.toml")
    sources = {one["component"]: one for one in tomllib.loads(lock.read_text())["source"]}
    assert "torch-npu" not in {file["name"] for file in sources["triton-ascend"].get("environment", [])}


def test_one_component_alone_is_built_against_the_wheel_that_the_lock_builds(world: World) -> None:
    furnish(world)
    document = made(world)
    digests = {row["component"]: row["sha256"] for row in document["files"] if row["kind"] == "wheel"}
    done = world.invoke("build", "triton-ascend", "--platform", MACHINE, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["sha256"] == digests["triton-ascend"]


def test_where_torch_npu_cannot_be_built_its_kernels_are_pending_too(world: World) -> None:
    furnish(world, gcc=">=99")
    pending = {item["component"]: item["reason"] for item in made(world, "--no-audit")["pending"]}
    assert "gcc >=99 wanted" in pending["torch-npu"]
    assert pending["triton-ascend"].startswith("needs torch-npu, which is pending")


def test_a_wheelhouse_built_without_a_sandbox_says_so(world: World) -> None:
    furnish(world)
    document = made(world, "--no-sandbox")
    notes = {row["component"]: row["note"] for row in document["files"] if row["kind"] == "wheel"}
    assert notes["torch-npu"].startswith("built without a sandbox")


def test_an_image_that_is_not_there_stops_a_wheelhouse_that_builds(world: World) -> None:
    furnish(world)
    both = ("--build", "torch-npu", "--platform", MACHINE, "--container", "localhost/nowhere:1")
    done = world.make(*both)
    assert done.status == 10, done.err
    assert "localhost/nowhere:1 cannot be used" in done.err


def test_a_source_whose_server_does_not_answer_is_exit_4_with_the_way_to_bring_it(world: World) -> None:
    furnish(world)
    shutil.rmtree(world.root / "servers/torch-npu.git")
    done = world.invoke("build", "torch-npu", "--platform", MACHINE, "--json")
    assert done.status == 4, done.err
    told = json.loads(done.out.splitlines()[-1])
    assert told["error"] == "UnreachableSourceError"
    assert told["what"].startswith("torch-npu: git ")
    assert "git clone --recurse-submodules https://hub.test/torch-npu.git" in told["next"]
    assert "`invoke vendor torch-npu`" in told["next"]


def test_a_source_without_the_commit_asked_for_is_exit_3(world: World) -> None:
    furnish(world)
    path = world.root / "recipes/torch-npu.toml"
    path.write_text(path.read_text().replace('ref = "main"', 'ref = "gone"'))
    done = world.invoke("build", "torch-npu", "--platform", MACHINE, "--json")
    assert done.status == 3, done.err
    assert json.loads(done.out.splitlines()[-1])["error"] == "NoSourceError"
