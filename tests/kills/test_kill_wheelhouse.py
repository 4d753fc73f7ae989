"""`kill -9` while a wheelhouse is made: from nothing, or anew from a full store; and while one is audited."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_server import Index, serving
from kill_points import Stage, State, in_sight, out_of_sight, tree
from small_world import World, found, wheel
from starter import INVOKE, TEMPORARY, Command, Starter

from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.folder.check import check_sums
from ascend_wheelhouse.store.store import Store

_MAKE = ("wheelhouse", "--resolver", "uv")
_STACK = "sglang1.0-torch2.8.0-cann8.5.0-a3"
_PRELOADED = (
    *("invoke.main", "ascend_wheelhouse.commands.wheelhouse", "ascend_wheelhouse.pin.locking"),
    *(
        "ascend_wheelhouse.audit.command",
        "ascend_wheelhouse.build.command",
        "ascend_wheelhouse.folder.contents",
    ),
    *(
        "ascend_wheelhouse.resolve.uv",
        "ascend_wheelhouse.build.making",
        "ascend_wheelhouse.pin.source_builds",
    ),
)


@pytest.fixture
def index() -> Iterator[Index]:
    """An index on the loopback."""
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    """A process that has imported what a run imports."""
    with Starter(*_PRELOADED) as started:
        yield started


def _at(world: World, place: Path, *words: str) -> Command:
    """Lay out a world at a place and return a command in it."""
    shutil.copytree(world.root, place, dirs_exist_ok=True, symlinks=True)
    there = World(root=place, index=world.index)
    env = {**there.env, "TMPDIR": str(place / TEMPORARY)}
    return Command(words=[INVOKE, *words], cwd=place, env=env)


def _houses(place: Path) -> State:
    return in_sight(place / "wheelhouse") if (place / "wheelhouse").is_dir() else {}


def _rest(place: Path) -> list[str]:
    """Return half files of the store, of the lock and beside the wheelhouse, and what a build left."""
    store = place / "store"
    left = [path.name for folder in ("incoming", "builds") for path in (store / folder).glob("*")]
    left += out_of_sight(place / "wheelhouse") + out_of_sight(place / "lockfiles" / _STACK)
    left += [path.name for path in (place / "wheelhouse" / ".state").iterdir() if path.name.startswith(".")]
    return left


def _sound(place: Path) -> None:
    """Every blob has the bytes that its name says, a wheelhouse those of its sums, and a lock all of its files."""
    store = Store(place / "store")
    store.prove([blob.sha256 for blob in store.blobs()])
    for folder in (place / "wheelhouse").glob("[!.]*"):
        check_sums(folder, silent)
    locks = place / "lockfiles" / _STACK
    with whole_file.reading(locks):
        assert len(in_sight(locks) if locks.is_dir() else {}) in {0, 4}


def test_a_wheelhouse_is_there_whole_or_not_at_all_whenever_its_first_run_is_killed(
    tmp_path: Path, index: Index, starter: Starter
) -> None:
    """From the lock to the swap: resolving, fetching, building SGLang's wheel, laying out, auditing."""
    world = found(tmp_path / "origin", index)
    stage = Stage(
        name="first",
        prepare=lambda place: _at(world, place, *_MAKE),
        visible=_houses,
        rest=_rest,
        sound=_sound,
    )
    stage.survive(starter, tmp_path, 8)


def test_the_last_good_wheelhouse_stands_until_the_new_one_does_whenever_its_assembly_is_killed(
    tmp_path: Path, index: Index, starter: Starter
) -> None:
    """All is in the store; the serving arguments have changed, so that a new folder is laid out."""
    world = found(tmp_path / "origin", index)
    made = world.make()
    assert made.status == 0, made.err
    serving_file = world.root / "recipes/serving/small.toml"
    serving_file.write_text(serving_file.read_text().replace('"npu"]', '"npu", "--other"]'))
    stage = Stage(
        name="assembly",
        prepare=lambda place: _at(world, place, *_MAKE, "--offline", "--json"),
        visible=_houses,
        rest=_rest,
        sound=_sound,
    )
    stage.survive(starter, tmp_path, 8)


def _audited(place: Path) -> State:
    return tree(place / "report.sarif") if (place / "report.sarif").exists() else {}


def test_an_audit_that_is_killed_leaves_no_reader_and_no_half_report(
    tmp_path: Path, index: Index, starter: Starter
) -> None:
    """The wheels are large enough to be read by processes of their own."""
    world = found(tmp_path / "origin", index)
    wheels = world.root / "wheels"
    wheels.mkdir()
    for name in ("one", "two", "three"):
        filler = f"# {'x' * (6 << 20)}"
        (wheels / f"{name}-1.0-py3-none-any.whl").write_bytes(wheel(name, "1.0", module=filler))
    words = ("audit", "--wheelhouse", "wheels", "--sarif", "report.sarif", "--platform", "aarch64")
    stage = Stage(
        name="audit",
        prepare=lambda place: _at(world, place, *words),
        visible=_audited,
        rest=lambda place: [path.name for path in (place / "store" / "incoming").glob("*")],
        sound=lambda place: json.loads((place / "report.sarif").read_text()) if _audited(place) else None,
    )
    stage.survive(starter, tmp_path, 8)
