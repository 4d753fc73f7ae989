"""`kill -9` while a component is built in its sandbox: from its source to the wheel in the store."""

from __future__ import annotations

import shutil
from pathlib import Path

from kill_points import Stage, State
from making_builds import cell
from starter import Command, Starter
from tiny import tiny_job

from ascend_wheelhouse.store.store import Store

_BUILD = Path(__file__).parents[1] / "support" / "build_tiny.py"
_STEPS = ("echo one; sleep 0.05; echo two", "echo three", "gcc -c -o other.o tiny.c")


def _prepare(origin: Path, place: Path) -> Command:
    """Lay out an upstream and a store that holds its commit."""
    shutil.copytree(origin, place, dirs_exist_ok=True, symlinks=True)
    return Command(words=[_BUILD, place, *_STEPS], cwd=place)


def _built(place: Path) -> State:
    """Return what the store holds as results: the wheel of a build is known once its record is there."""
    store = Store(place / "store")
    found = {}
    for record in (store.root / "results").glob("??/build-*.json"):
        for wheel in (store.result(record.stem) or {})["wheels"]:
            assert store.has(wheel["sha256"], wheel["size"])
            found[wheel["filename"]] = wheel["sha256"]
    return found


def _lying_about(place: Path) -> list[str]:
    """Return folders of builds and half files."""
    folders = ("builds", "incoming")
    return [path.name for folder in folders for path in (place / "store" / folder).glob("*")]


def _sound(place: Path) -> None:
    """Every blob has the bytes that its name says."""
    store = Store(place / "store")
    store.prove([blob.sha256 for blob in store.blobs()])


def test_a_build_that_is_killed_leaves_no_process_and_no_half_wheel(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    tiny_job(origin, cell({"torch": "2.8.0"}))
    stage = Stage(
        name="build",
        prepare=lambda place: _prepare(origin, place),
        visible=_built,
        rest=_lying_about,
        sound=_sound,
    )
    with Starter("ascend_wheelhouse.build.builder", "ascend_wheelhouse.build.toolchain") as starter:
        stage.survive(starter, tmp_path, 8)
