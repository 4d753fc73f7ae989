"""`kill -9` while the new locks of a stack, and the stack, take the places of the old ones."""

from __future__ import annotations

import os
from pathlib import Path

from kill_points import Stage, out_of_sight
from starter import Command, Starter

from ascend_wheelhouse.base.packaged import lockfiles_of, recipes_of
from ascend_wheelhouse.base.whole_file import reading

EACH = 10_000 if "WHEELHOUSE_LONG_TESTS" in os.environ else 12
"""Every step is `nox -s kills`."""
_MACHINES = ("aarch64", "x86_64")
_PLACE = """
from pathlib import Path
from ascend_wheelhouse.watch.taking_places import LockPlace, LocksBefore

places = [LockPlace(folder=folder, platform=machine) for folder in ("a2", "a3") for machine in ("aarch64", "x86_64")]
LocksBefore.now(Path("root"), places, "s").replace_from(Path("copy"), places)
"""


def _project(root: Path, text: str) -> None:
    """Write a stack, and its locks for two chips and two machines."""
    (root / "recipes/stacks").mkdir(parents=True)
    (root / "recipes/stacks/s.toml").write_text(text)
    for folder in ("a2", "a3"):
        (root / "lockfiles" / folder).mkdir(parents=True)
        for machine in _MACHINES:
            for name in (f"pylock.{machine}.toml", f"sources.{machine}.toml"):
                (root / "lockfiles" / folder / name).write_text(f"{text} {name}")


def _old_locks(place: Path) -> Command:
    _project(place / "root", "old")
    _project(place / "copy", "new")
    program = place / "places.py"
    program.write_text(_PLACE)
    return Command(words=[program], cwd=place)


def _as_read(place: Path) -> dict[str, str]:
    """Return the locks and the stack as the next reader of the project folder finds them."""
    root = place / "root"
    for folder in lockfiles_of(root).every("*/"):
        with reading(folder):
            assert out_of_sight(folder) == []
    assert out_of_sight(root) == []
    found = (path for own in (recipes_of(root).own, root / "lockfiles") for path in own.rglob("*.toml"))
    return {str(path): path.read_text() for path in found if not path.name.startswith(".")}


def test_the_locks_of_a_stack_and_the_stack_are_all_old_or_all_new_whenever_their_run_is_killed(
    tmp_path: Path,
) -> None:
    stage = Stage(name="places", prepare=_old_locks, visible=_as_read)
    with Starter("ascend_wheelhouse.watch.taking_places") as starter:
        stage.survive(starter, tmp_path, EACH)
