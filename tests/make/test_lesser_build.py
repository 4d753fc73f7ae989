"""The index's CUDA build of torch, taken where PyTorch's own index does not answer: what is told of it, and to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import serving
from small_world import World, found, torch_of_own_index, wheel

from ascend_wheelhouse.console.words import size

OWN_INDEX = "https://nowhere.invalid/whl/cpu"
NOTE = "CUDA build: use the +cpu build"
TORCH = torch_of_own_index(OWN_INDEX, more=f'[[origins]]\nkind = "index"\nnote = "{NOTE}"\n')
CUDA, CPU = "torch-2.8.0-py3-none-any.whl", "torch-2.8.0+cpu-py3-none-any.whl"
CELL = ("--torch", "2.8.0", "--platform", "aarch64")
_NOBODY = {"PIP_RETRIES": "0"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose index has torch as a CUDA build; numpy, which others need too, is none of its libraries."""
    with serving() as index:
        made = found(tmp_path / "world", index)
        (made.root / "recipes/torch.toml").write_text(TORCH)
        index.offer(CUDA, wheel("torch", "2.8.0", ["numpy", "nvidia-cublas", "cuda-toolkit", "sympy"]))
        index.offer("cuda_toolkit-13.0-py3-none-any.whl", wheel("cuda-toolkit", "13.0", ["nvidia-nvtx"]))
        libraries = {"nvidia_cublas-1.0": ("nvidia-nvtx",), "nvidia_nvtx-1.0": (), "sympy-1.0": ()}
        for stem, needs in libraries.items():
            name, version = stem.replace("_", "-").rsplit("-", 1)
            index.offer(f"{stem}-py3-none-any.whl", wheel(name, version, needs))
        index.offer("nvidia_ml-1.0-py3-none-any.whl", wheel("nvidia-ml", "1.0"))
        index.offer("tqdm-4.0-py3-none-any.whl", wheel("tqdm", "4.0", ["nvidia-ml"]))
        yield made


def _of(text: str) -> str:
    return " ".join(text.split())


def _told(world: World) -> list[str]:
    """Return what has to be in every text about that torch: its name, the libraries, their bytes, what to do."""
    starts = ("cuda_", "nvidia_cu", "nvidia_nv")
    bytes_ = sum(len(file.content) for name, file in world.index.files.items() if name.startswith(starts))
    return [
        f"{CUDA} (",
        f"is locked: {NOTE}.",
        f"3 wheels of {size(bytes_)} that no NPU uses: cuda-toolkit, nvidia-cublas, nvidia-nvtx.",
        f"To have torch 2.8.0+cpu in its place, reach {OWN_INDEX}",
        "`invoke vendor FILE`",
        "`invoke lock --upgrade --torch 2.8.0 --platform aarch64",
    ]


def test_the_cuda_build_is_told_with_names_bytes_and_what_to_do(world: World) -> None:
    """By the run that locks it, by a run that goes by the lock, and by the plan in each of its forms."""
    made = world.invoke("lock", "--resolver", "uv", *CELL, **_NOBODY)
    assert made.status == 0, made.err + made.out
    assert f"{CUDA} is taken, since extra-index: nowhere.invalid" in _of(made.err)
    again = world.invoke("lock", *CELL)
    planned = world.invoke("plan", *CELL)
    as_json = world.invoke("plan", *CELL, "--json")
    (note,) = json.loads(as_json.out)["notes"]
    for text in (made.err, again.err, planned.err, note):
        assert [one for one in _told(world) if one not in _of(text)] == []


def test_a_plan_without_a_lock_says_what_an_index_that_is_silent_would_cost(world: World) -> None:
    planned = world.invoke("plan", *CELL)
    assert f"torch: where {OWN_INDEX} does not answer, the lock takes another file: {NOTE}." in _of(
        planned.err
    )


def test_nothing_is_told_where_the_own_index_answers(world: World) -> None:
    with serving() as own:
        own.offer(CPU, wheel("torch", "2.8.0+cpu", ["numpy"]))
        made = world.invoke(
            "lock", "--resolver", "uv", *CELL, WHEELHOUSE_MIRRORS=f"{OWN_INDEX}={own.simple}", **_NOBODY
        )
    assert made.status == 0, made.err + made.out
    assert NOTE not in _of(made.err)
    assert json.loads(world.invoke("plan", *CELL, "--json").out)["notes"] == []


def test_watch_takes_no_cuda_build_in_place_of_a_cpu_build(world: World) -> None:
    """Its index answered when the lock was made, and is silent in the night in which numpy has a release."""
    with serving() as own:
        own.offer(CPU, wheel("torch", "2.8.0+cpu", ["numpy"]))
        mirrors = f"{OWN_INDEX}={own.simple}"
        made = world.invoke("lock", "--resolver", "uv", *CELL, WHEELHOUSE_MIRRORS=mirrors, **_NOBODY)
        assert made.status == 0, made.err + made.out
    world.index.offer("numpy-2.4-py3-none-any.whl", wheel("numpy", "2.4"))
    (lock,) = (world.root / "lockfiles").glob("*/pylock.aarch64.toml")
    before = lock.read_bytes()
    nobody = {**_NOBODY, "WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/"}
    ended = world.invoke("watch", "--apply", "--resolver", "uv", **nobody)
    assert (ended.status, lock.read_bytes()) == (4, before), ended.err + ended.out
    assert f"would take {CUDA} in place of {CPU}, and the old one is as it was" in _of(ended.err)
    assert "`invoke lock --upgrade --torch 2.8.0 --platform aarch64" in _of(ended.err)
