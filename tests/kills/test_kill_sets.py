"""`kill -9` while files are written that belong together: a lock, a pair of keys, a build context."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from bundle_fixtures import write_wheelhouse
from moments import Stage, in_sight, out_of_sight, tree
from starter import INVOKE, Command, Starter

from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.folder.signing import KeyExistsError, Signer
from ascend_wheelhouse.image.context import write_context

TASKS = Path(__file__).parents[2] / "tasks.py"
ALL = 10_000
_SAVE = """
import sys
from pathlib import Path
from ascend_wheelhouse.base.whole_file import write_set
write_set(Path(sys.argv[1]), "aarch64", {f"{kind}.toml": kind.encode() * 1000 for kind in sys.argv[2:]})
"""
_KINDS = ("pylock", "requirements", "sources", "payloads")


def _old_lock(place: Path) -> Command:
    whole_file.write_set(place / "locks", "aarch64", {f"{kind}.toml": b"old" for kind in _KINDS})
    program = place / "save.py"
    program.write_text(_SAVE)
    return Command(words=[program, place / "locks", *_KINDS], cwd=place)


def _as_read(place: Path) -> dict[str, str]:
    """Return the lock as a reader finds it: he finishes, or throws away, what a killed run left."""
    with whole_file.reading(place / "locks"):
        assert out_of_sight(place / "locks") == []
        return in_sight(place / "locks")


def test_the_files_of_a_lock_are_all_old_or_all_new_at_every_step(tmp_path: Path) -> None:
    stage = Stage(name="lock", prepare=_old_lock, visible=_as_read)
    with Starter("ascend_wheelhouse.base.whole_file") as starter:
        stage.survive(starter, tmp_path, ALL)


def _no_key(place: Path) -> Command:
    (place / "tasks.py").symlink_to(TASKS)
    return Command(words=[INVOKE, "keygen", "keys/k"], cwd=place)


def _pair(place: Path) -> dict[str, str]:
    """Return which files of the pair are there, as the next `keygen` or a signer finds them."""
    private = place / "keys" / "k"
    return {"private": "there"} if private.exists() else {}


def _fits(place: Path) -> None:
    """Where there is a private key, the public one beside it is its own."""
    private = place / "keys" / "k"
    if private.exists():
        public = private.with_name("k.pub").read_text().split()[:2]
        assert " ".join(public) == Signer(private).public_line.strip()


def test_a_pair_of_keys_is_there_or_not_whenever_its_making_is_killed(tmp_path: Path) -> None:
    stage = Stage(
        name="keys",
        prepare=_no_key,
        visible=_pair,
        rest=lambda place: out_of_sight(place / "keys"),
        sound=_fits,
        finished=KeyExistsError.exit_code,
    )
    with Starter("invoke.main", "ascend_wheelhouse.commands.image") as starter:
        stage.survive(starter, tmp_path, 8)


def _old_context(origin: Path, place: Path) -> Command:
    shutil.copytree(origin, place, dirs_exist_ok=True, symlinks=True)
    return Command(words=[INVOKE, "image", "new", "--out", "out/context"], cwd=place)


def test_a_build_context_is_the_old_one_or_the_new_one_whenever_its_run_is_killed(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    (origin / "out").mkdir(parents=True)
    (origin / "tasks.py").symlink_to(TASKS)
    write_context(write_wheelhouse(tmp_path / "old"), origin / "out" / "context")
    write_wheelhouse(origin / "new", {"install.py": b"new\n", "wheels/a-1-py3-none-any.whl": b"a"})
    stage = Stage(
        name="context",
        prepare=partial(_old_context, origin),
        visible=lambda place: tree(place / "out" / "context"),
        rest=lambda place: out_of_sight(place / "out"),
    )
    with Starter("invoke.main", "ascend_wheelhouse.commands.image") as starter:
        stage.survive(starter, tmp_path, 8)
