"""By which release a lock can leave a vulnerability, and which of its records and builds are looked at."""

from __future__ import annotations

import hashlib
from pathlib import Path

from osv_records import osv_record, osv_zip
from small_world import World, wheel
from watched_world import CELL, LOCK, look, told

from ascend_wheelhouse.watch.findings import WatchFinding

pytest_plugins = ["watched_fixtures"]

ARM = f"{LOCK}/aarch64"


def _offer(world: World, version: str) -> None:
    world.index.offer(f"numpy-{version}-py3-none-any.whl", wheel("numpy", version))


def _bound(world: World, bound: str) -> None:
    """Have the lock bound numpy further than its wheels do."""
    path = world.root / f"lockfiles/{LOCK}/pylock.aarch64.toml"
    head, _, rest = path.read_text().rpartition("requirements = [")
    path.write_text(f'{head}requirements = [\n    "{bound}",{rest}')


def _numpy(world: World, tmp_path: Path, *events: dict[str, str]) -> WatchFinding:
    path = osv_zip(tmp_path / "all.zip", [osv_record("PYSEC-1", "numpy", *events)])
    (found,) = (one for one in look(world, vulnerabilities=path).findings if one.kind == "vulnerable")
    return found


def test_a_later_release_is_a_way_out_where_a_lock_leaves_out_the_first_fix(
    world: World, tmp_path: Path
) -> None:
    _bound(world, "numpy!=2.2")
    for version in ("2.2", "2.3", "2.4"):
        _offer(world, version)
    one = _numpy(world, tmp_path, {"introduced": "0"}, {"fixed": "2.2"})
    assert one.id == "vulnerable/numpy/2.0/2.2/PYSEC-1"
    assert one.text.endswith("2.2 fixes it, and every lock allows that or a later one: 2.3.")
    assert one.facts["inside"] == [ARM]
    assert one.command.startswith(f"invoke watch --apply --only numpy --stack {LOCK} --vulnerabilities ")


def test_no_later_release_is_a_way_out_that_is_touched_again_or_no_release(
    world: World, tmp_path: Path
) -> None:
    _bound(world, "numpy!=2.2")
    for version in ("2.2", "2.3", "2.4rc1"):
        _offer(world, version)
    one = _numpy(world, tmp_path, {"introduced": "0"}, {"fixed": "2.2"}, {"introduced": "2.3"})
    assert one.text.endswith("2.2 fixes it, and no lock allows that: what needs it has to move first.")
    assert (one.command, one.facts["inside"]) == ("", [])


def test_without_a_stated_fix_the_next_release_that_is_not_touched_is_the_way_out(
    world: World, tmp_path: Path
) -> None:
    for version in ("2.1", "2.3"):
        _offer(world, version)
    one = _numpy(world, tmp_path, {"introduced": "0"}, {"last_affected": "2.2"})
    assert one.id == "vulnerable/numpy/2.0/PYSEC-1"
    assert one.text.endswith("No fix is stated, but it does not touch 2.3, and every lock allows that.")
    assert one.facts["inside"] == [ARM]


def test_a_fix_that_is_a_build_of_its_own_is_no_vulnerability_where_it_is_locked(
    world: World, tmp_path: Path
) -> None:
    _offer(world, "2.1+fix1")
    moved = world.invoke("lock", "--upgrade-package", "numpy", "--resolver", "uv", *CELL)
    assert moved.status == 0, moved.err
    for record, touched in (
        (osv_record("PYSEC-1", "numpy", {"introduced": "0"}, {"fixed": "2.1+fix1"}), False),
        (osv_record("PYSEC-1", "numpy", {"introduced": "0"}, {"fixed": "2.2"}), True),
        (osv_record("PYSEC-1", "numpy", versions=["2.1+fix1"]), True),
    ):
        found = told(look(world, vulnerabilities=osv_zip(tmp_path / "all.zip", [record])))
        assert [one.split("/")[:3] for one in found] == [["vulnerable", "numpy", "2.1"]] * touched


def test_locks_with_different_files_of_one_name_are_told_together(world: World) -> None:
    """Each had a finding of the same identifier, and one of them was lost."""
    made = world.invoke("lock", "--resolver", "uv", "--torch", "2.8.0", "--platform", "x86_64")
    assert made.status == 0, made.err
    old = world.index.files["numpy-2.0-py3-none-any.whl"]
    digest = hashlib.sha256(old.content).hexdigest()
    for path in (world.root / f"lockfiles/{LOCK}").glob("*.x86_64.*"):
        path.write_text(path.read_text().replace(digest, "0" * 64))
    world.index.offer(old.filename, b"other bytes")
    one = told(look(world))[f"vanished/numpy/2.0/{old.filename}"]
    assert one.locks == (ARM, f"{LOCK}/x86_64")
