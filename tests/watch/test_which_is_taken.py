"""Where a component has two releases, `--apply` takes the one that its proposal names, stack by stack."""

from __future__ import annotations

import json

import pytest
from small_world import World, wheel
from watched_world import STACK, lock_files, look, told

pytest_plugins = ["watched_fixtures"]

ROW = '[[torch_npu]]\nversion = "{version}"\ntorch = "2.8.0"\ncann = "{cann}"\nascend = "{ascend}"\n\n'
NOBODY = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}


def offer(world: World, version: str, cann: str = "") -> None:
    """Publish a torch_npu, with a row of the table where it is stated for a CANN."""
    filename = f"torch_npu-{version}-py3-none-any.whl"
    world.index.offer(filename, wheel("torch_npu", version, ("torch==2.8.0",)))
    if cann:
        table = world.root / "recipes/compatibility.toml"
        row = ROW.format(version=version, cann=cann, ascend="7.3.0" if cann == "8.5.0" else "26.0.0")
        table.write_text(row + table.read_text("utf-8"), "utf-8")


def commands(world: World) -> dict[str, str]:
    """Return what each release of torch_npu proposes to type."""
    return {one.after: one.command for one in told(look(world)).values() if one.component == "torch-npu"}


def taken(world: World) -> list[str]:
    """Return the torch_npu that `--apply` moves to."""
    words = ("watch", "--apply", "--only", "torch-npu", "--resolver", "uv", "--json")
    done = world.invoke(*words, **NOBODY)
    assert done.status == 0, done.err + done.out
    (applied,) = json.loads(done.out)["applied"]
    return [one["after"] for one in applied["changes"] if one["name"] == "torch-npu"]


@pytest.mark.parametrize(("own", "beyond"), [("2.8.0.post4", "2.8.0.post5"), ("2.8.0.post9", "2.8.0.post10")])
def test_the_release_for_the_stacks_own_cann_goes_before_a_newer_one_for_another(
    world: World, own: str, beyond: str
) -> None:
    """Both have a row: the newer one was taken, and its audit refused it, so that nothing moved."""
    offer(world, own, "8.5.0")
    offer(world, beyond, "9.0.0")
    assert commands(world) == {
        own: f"invoke watch --apply --only torch-npu --stack {STACK}",
        beyond: "",
    }
    assert taken(world) == [own]


def test_a_release_that_another_goes_before_proposes_no_command_that_takes_the_other(world: World) -> None:
    """A bot opened a request for the release without a row, with the bytes of the one that has a row."""
    offer(world, "2.8.0.post4", "8.5.0")
    offer(world, "2.8.0.post5")
    found = told(look(world))["new/torch-npu/2.8.0.post2/2.8.0.post5"]
    assert found.command == ""
    assert "`--apply` takes 2.8.0.post4 before it." in found.text
    assert commands(world)["2.8.0.post4"] == f"invoke watch --apply --only torch-npu --stack {STACK}"
    assert taken(world) == ["2.8.0.post4"]


def test_a_release_that_is_stated_for_another_cann_alone_goes_into_no_stack(world: World) -> None:
    """It was written into the stack and its locks with a warning, and the run ended with 0 as if all was well."""
    offer(world, "2.8.0.post4", "9.0.0")
    assert commands(world) == {"2.8.0.post4": ""}
    before = lock_files(world)
    done = world.invoke("watch", "--apply", "--only", "torch-npu", "--resolver", "uv", **NOBODY)
    assert done.status == 0, done.err + done.out
    assert "Nothing to do" in done.out
    assert "Of torch-npu there are new releases that no new lock took." in done.out
    assert lock_files(world) == before
