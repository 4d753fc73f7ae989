"""Another application than SGLang: a recipe, a stack and a serving file, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from index_server import serving
from small_world import World, found, wheel

from ascend_wheelhouse.node.probes import serving_imports
from ascend_wheelhouse.node.probes.api import Context, ProbeSkippedError

RECIPE = """name = "inferrer"
summary = "small"
licence = "MIT"
distribution = "inferrer"
owns = ["inferrer"]
imports = ["inferrer"]
needs = ["torch"]

[[origins]]
kind = "index"
"""
SERVING = """name = "inferrer"
command = ["python", "-m", "inferrer.serve"]
imports = ["inferrer"]

[topologies.all.single]
program = "inferrer.serve"
source = "a test"
arguments = ["--device", "npu"]
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving() as index:
        made = found(tmp_path / "world", index)
        recipes = made.root / "recipes"
        (recipes / "inferrer.toml").write_text(RECIPE)
        (recipes / "serving/inferrer.toml").write_text(SERVING)
        text = (recipes / "stacks/torch2.8.0-cann8.5.0.toml").read_text()
        text = text.replace('name = "torch', 'application = "inferrer"\nname = "inferrer3.0-torch')
        text = text.replace('sglang = "1.0"', 'inferrer = "3.0"').replace(
            'serving = "small"', 'serving = "inferrer"'
        )
        (recipes / "stacks/inferrer3.0-torch2.8.0-cann8.5.0.toml").write_text(text)
        index.offer("inferrer-3.0-py3-none-any.whl", wheel("inferrer", "3.0", ["torch", "tqdm"]))
        yield made


def test_a_recipe_and_a_stack_are_all_that_another_application_takes(world: World) -> None:
    done = world.make("--app", "inferrer")
    assert done.status == 0, done.err + done.out
    folder = world.root / "wheelhouse/inferrer3.0-torch2.8.0-cann8.5.0-a3-aarch64"
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    names = {one["name"] for one in manifest["files"] if one["kind"] == "wheel"}
    assert {"inferrer", "torch", "torch-npu", "tqdm"} <= names
    assert "sglang" not in names
    assert manifest["cell"]["app"] == "inferrer"
    assert manifest["serving"]["command"] == ["python", "-m", "inferrer.serve"]
    (pending,) = manifest["pending"]
    assert pending["component"] == "nnal"


def test_each_application_has_its_default_and_its_words(world: World) -> None:
    shown = world.invoke("stacks", "--json")
    assert shown.status == 0, shown.err
    words = {one["name"]: one["words"] for one in json.loads(shown.out)["stacks"]}
    assert words == {
        "torch2.8.0-cann8.5.0": "--torch 2.8.0",
        "inferrer3.0-torch2.8.0-cann8.5.0": "--app inferrer",
    }


def test_an_unknown_application_lists_the_known_ones(world: World) -> None:
    done = world.make("--app", "infer")
    assert done.status == 2
    assert "--app inferrer or --app sglang" in done.err


def context(tmp_path: Path, *imports: str) -> Context:
    return Context(
        manifest={"serving": {"imports": list(imports)}},
        options={},
        scratch=tmp_path,
        doing=lambda _text: None,
    )


def test_the_probe_of_serving_imports_what_the_stack_names(tmp_path: Path) -> None:
    told = serving_imports.run(context(tmp_path, "json", "json.decoder"))
    assert told.evidence == "2 serving modules import"
    with pytest.raises(ModuleNotFoundError):
        serving_imports.run(context(tmp_path, "json", "json.nowhere"))


@pytest.mark.parametrize("imports", [(), ("nowhere_at_all.server",)])
def test_the_probe_of_serving_has_nothing_to_say_of_what_is_not_there(
    tmp_path: Path, imports: tuple[str, ...]
) -> None:
    with pytest.raises(ProbeSkippedError):
        serving_imports.run(context(tmp_path, *imports))
