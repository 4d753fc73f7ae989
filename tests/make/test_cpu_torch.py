"""A torch whose index has a CUDA build: the +cpu build of its own index, a mirror or a person; never the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import Index, serving
from small_world import World, found, torch_of_own_index, wheel

from ascend_wheelhouse.locks.pylock import LockedFile, load_pylock

OWN_INDEX = "https://nowhere.invalid/whl/cpu"
TORCH = torch_of_own_index(OWN_INDEX)
CPU = "torch-2.8.0+cpu-py3-none-any.whl"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose index has torch 2.8.0 as a CUDA build, and torch_npu that asks for the +cpu build."""
    with serving() as index:
        made = found(tmp_path / "world", index)
        (made.root / "recipes/torch.toml").write_text(TORCH)
        index.offer("torch-2.8.0-py3-none-any.whl", wheel("torch", "2.8.0", ["nvidia-cublas"]))
        npu = wheel("torch-npu", "2.8.0.post2", ["torch==2.8.0+cpu"])
        index.offer("torch_npu-2.8.0.post2-py3-none-any.whl", npu)
        yield made


def torch_of(world: World) -> LockedFile:
    folder = world.root / "lockfiles/sglang1.0-torch2.8.0-cann8.5.0-a3"
    (torch,) = [one for one in load_pylock(folder / "pylock.x86_64.toml").files if one.name == "torch"]
    return torch


def test_the_cuda_build_never_takes_the_place_of_an_index_that_does_not_answer(world: World) -> None:
    done = world.invoke("lock", "--resolver", "uv", "--platform", "x86_64")
    assert done.status == 4
    assert "torch 2.8.0 for x86_64 is in none of its origins: extra-index: nowhere.invalid" in done.err
    assert "Next: reach the PyTorch index" in done.err
    assert "import the wheel: `invoke vendor torch-VERSION.whl`" in done.err
    assert not world.index.requests_for("torch-2.8.0-py3-none-any.whl")


def test_a_wheel_that_a_person_hands_over_is_locked_as_vendored(world: World, tmp_path: Path) -> None:
    path = tmp_path / CPU
    path.write_bytes(wheel("torch", "2.8.0+cpu", ["numpy"]))
    assert world.invoke("vendor", str(path)).status == 0
    done = world.invoke("lock", "--resolver", "uv", "--platform", "x86_64")
    assert done.status == 0, done.err + done.out
    torch = torch_of(world)
    assert (torch.version, torch.filename, torch.origin) == ("2.8.0+cpu", CPU, "vendored")
    made = world.make("--platform", "x86_64")
    assert made.status == 0, made.err + made.out
    assert (
        world.folder.with_name(f"{world.folder.name[:-8]}-x86_64".replace("--", "-")) / "wheels" / CPU
    ).is_file()


def test_a_mirror_of_its_index_is_asked_in_its_place(world: World) -> None:
    with serving() as mirror:
        _offer(mirror)
        redirected = f"{OWN_INDEX}={mirror.simple}"
        done = world.invoke("lock", "--resolver", "uv", "--platform", "x86_64", WHEELHOUSE_MIRRORS=redirected)
    assert done.status == 0, done.err + done.out
    torch = torch_of(world)
    assert (torch.version, torch.origin) == ("2.8.0+cpu", "extra-index")


def _offer(mirror: Index) -> None:
    mirror.offer(CPU, wheel("torch", "2.8.0+cpu", ["numpy"]))
