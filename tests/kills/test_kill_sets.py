"""`kill -9` while files are written that belong together: a lock, a pair of keys, a build context, an import."""

from __future__ import annotations

import os
import pickle
import shutil
from functools import partial
from pathlib import Path

from bundle_fixtures import write_wheelhouse
from kill_points import Stage, in_sight, out_of_sight, tree
from making_builds import cell
from small_world import recipes_into, wheel
from starter import INVOKE, Command, Starter

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.folder.signing import KeyExistsError, Signer
from ascend_wheelhouse.image.context import write_context
from ascend_wheelhouse.locks.lock import Inputs, Lock, LockedSource, Pending, load, save
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import list_vendored

TASKS = Path(__file__).parents[2] / "tasks.py"
EACH = 10_000 if "WHEELHOUSE_LONG_TESTS" in os.environ else 12
"""Every step is `nox -s kills`."""
_CELL = cell({"torch": "2.8.0"})
_SAVE = """
import pickle
from ascend_wheelhouse.locks.lock import save
save(*pickle.load(open("lock", "rb")))
"""


def _locked(digest: str, version: str) -> Lock:
    """Return a lock of which every file differs from that of another digest and version."""
    filename = f"torch-{version}-py3-none-any.whl"
    sdist = Artifact(filename=f"sglang-{version}.tar.gz", size=3, sha256=digest * 64)
    return Lock(
        stack="s",
        platform=_CELL.target.machine,
        cell=_CELL.as_manifest(),
        derived=False,
        recipes_digest=digest * 64,
        wheels=(LockedFile.of(Artifact(filename=filename, size=3, sha256=digest * 64)),),
        sources=(LockedSource(component="sglang", version=version, origin="sdist", archive=sdist),),
        pending=(Pending(component="nnal", reason="", supply=digest),),
        inputs=Inputs(requirements=(f"torch=={version}",)),
    )


def _old_lock(place: Path) -> Command:
    save(_locked("a", "1.0"), _CELL.target, place / "locks")
    (place / "lock").write_bytes(pickle.dumps((_locked("b", "2.0"), _CELL.target, place / "locks")))
    program = place / "save.py"
    program.write_text(_SAVE)
    return Command(words=[program], cwd=place)


def _as_read(place: Path) -> dict[str, str]:
    """Return the lock as the next reader leaves it: he finishes, or throws away, what a killed run left."""
    lock = load(place / "locks", _CELL)
    assert lock is not None
    assert (lock.wheels[0].version, lock.sources[0].version) in {("1.0", "1.0"), ("2.0", "2.0")}
    assert out_of_sight(place / "locks") == []
    return in_sight(place / "locks")


def test_the_files_of_a_lock_are_all_old_or_all_new_whenever_their_run_is_killed(tmp_path: Path) -> None:
    stage = Stage(name="lock", prepare=_old_lock, visible=_as_read)
    with Starter("ascend_wheelhouse.locks.lock") as starter:
        stage.survive(starter, tmp_path, EACH)


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


def _imported(place: Path) -> Command:
    recipes_into(place / "recipes")
    (place / "tasks.py").symlink_to(TASKS)
    file = place / "torch-2.8.0-py3-none-any.whl"
    file.write_bytes(wheel("torch", "2.8.0"))
    env = {"WHEELHOUSE_STORE": str(place / "store")}
    return Command(words=[INVOKE, "vendor", file.name], cwd=place, env=env)


def _records(place: Path) -> dict[str, str]:
    """Return the files that are known as imported; each is in the store."""
    store = Store(place / "store")
    records = list_vendored(store)
    store.prove([record.sha256 for record in records])
    return {record.filename: record.sha256 for record in records}


def test_what_is_imported_is_known_once_it_is_in_the_store_whenever_its_run_is_killed(
    tmp_path: Path,
) -> None:
    stage = Stage(
        name="vendor",
        prepare=_imported,
        visible=_records,
        rest=lambda place: [path.name for path in (place / "store" / "incoming").iterdir()],
    )
    with Starter("invoke.main", "ascend_wheelhouse.commands.vendor") as starter:
        stage.survive(starter, tmp_path, 8)
