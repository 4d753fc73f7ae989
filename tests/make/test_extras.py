"""`--extra`: what a stack has on request, and what the application's own project file calls an extra."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from index_server import serving
from small_world import World, found, wheel

from ascend_wheelhouse.locks.pylock import load_pylock

EDITION = """
[[build.project_file.editions]]
versions = "<2"
source = "a test"
dependencies = ["einops"]

[build.project_file.editions.extras]
srt_npu = []
diffusion = ["diffusers", "meshes"]

[[build.project_file.without]]
name = "Meshes"
when = { machine = "aarch64" }
why = "a test has no such wheel"
"""
AUDIO = """name = "torchaudio"
summary = "small"
licence = "MIT"
distribution = "torchaudio"
owns = ["torchaudio"]
optional = true

[[origins]]
kind = "index"
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving() as index:
        made = found(tmp_path / "world", index)
        recipes = made.root / "recipes"
        text = (recipes / "sglang.toml").read_text().replace('["pyproject_npu.toml"]', '["pyproject_x.toml"]')
        (recipes / "sglang.toml").write_text(text + EDITION)
        (recipes / "torchaudio.toml").write_text(AUDIO)
        with (recipes / "stacks/torch2.8.0-cann8.5.0.toml").open("a") as stack:
            stack.write('\n[optional]\ntorchaudio = "2.8.0"\n')
        index.offer("diffusers-1.0-py3-none-any.whl", wheel("diffusers", "1.0"))
        index.offer("torchaudio-2.8.0-py3-none-any.whl", wheel("torchaudio", "2.8.0"))
        yield made


def manifest(world: World, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((world.root / "wheelhouse" / name / "manifest.json").read_text())
    return document


def test_extras_are_in_the_name_the_lock_and_the_manifest(world: World) -> None:
    done = world.make("--extra", "torchaudio,diffusion")
    assert done.status == 0, done.err + done.out
    assert "meshes is left out: a test has no such wheel" in (done.err + done.out).lower()
    stack = "sglang1.0-torch2.8.0-cann8.5.0-a3-diffusion-torchaudio"
    told = manifest(world, f"{stack}-aarch64")
    assert told["cell"]["extra"] == "diffusion,torchaudio"
    assert told["cell"]["torchaudio"] == "2.8.0"
    assert {"diffusers", "torchaudio", "einops"} <= {one["name"] for one in told["files"] if "name" in one}
    lock = load_pylock(world.root / "lockfiles" / stack / "pylock.aarch64.toml")
    assert lock.tool["cell"]["extra"] == "diffusion,torchaudio"
    assert "diffusers" in lock.tool["inputs"]["requirements"]


def test_the_wheelhouse_without_extras_is_another_one(world: World) -> None:
    assert world.make().status == 0
    told = manifest(world, "sglang1.0-torch2.8.0-cann8.5.0-a3-aarch64")
    assert "extra" not in told["cell"]
    assert not {"diffusers", "torchaudio"} & {one.get("name") for one in told["files"]}


def test_an_extra_that_nothing_knows_lists_those_that_there_are(world: World) -> None:
    done = world.make("--extra", "difusion")
    assert done.status == 2
    assert "sglang 1.0 has no extra 'difusion'." in done.err
    assert "diffusion, srt_npu" in done.err
