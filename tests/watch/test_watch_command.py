"""`invoke watch` as a person or a program starts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from osv_records import osv_record, osv_zip
from small_world import Invoked, World, wheel
from watched_world import STACK, lock_files

pytest_plugins = ["watched_fixtures"]

_KEYS = {
    *(
        "id",
        "kind",
        "of",
        "component",
        "from",
        "to",
        "published",
        "stacks",
        "locks",
        "text",
        "command",
        "facts",
    ),
}


def _invoke(world: World, *words: str, **env: str) -> Invoked:
    """Run `invoke` where nobody answers as OSV."""
    said = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0", **env}
    return world.invoke(*words, **said)


def _offer(world: World, name: str, version: str, *requires: str, extra: str = "") -> None:
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    world.index.offer(filename, wheel(name, version, requires, extra=extra))


def test_nothing_new_ends_with_0_and_something_with_11_where_that_is_asked_for(world: World) -> None:
    before = lock_files(world)
    first = _invoke(world, "watch", "--exit-code")
    assert (first.status, "Nothing new of what answered; of nnal, osv it is not known." in first.out) == (
        0,
        True,
    )
    _offer(world, "torch-npu", "2.8.0.post4")
    assert _invoke(world, "watch").status == 0
    found = _invoke(world, "outdated", "--exit-code")
    assert found.status == 11
    assert "torch-npu  2.8.0.post2  2.8.0.post4" in found.out
    assert all(len(line) <= 80 for line in found.out.splitlines() if "`" not in line)
    assert lock_files(world) == before


def test_json_is_one_document_with_an_object_a_finding(world: World) -> None:
    _offer(world, "numpy", "2.4")
    ended = _invoke(world, "watch", "--json")
    document = json.loads(ended.out)
    one = next(one for one in document["findings"] if one["component"] == "numpy")
    assert set(one) == _KEYS
    assert (one["id"], one["from"], one["to"]) == ("new/numpy/2.0/2.4", "2.0", "2.4")
    assert document["counts"]["new"] == 1
    assert document["applied"] is None


def test_wheels_are_summed_until_all_are_asked_for(world: World) -> None:
    _offer(world, "numpy", "2.4")
    assert "1 other wheel has a newer release inside what the locks allow: --all lists it." in (
        _invoke(world, "watch").out
    )
    assert "numpy  2.0   2.4" in _invoke(world, "watch", "--all").out


@pytest.mark.parametrize(
    "content", [b"hello", b"PK\x05\x06" + bytes(18), b"[]"], ids=["text", "empty zip", "empty list"]
)
def test_a_database_that_is_none_is_exit_2_and_says_what_to_name(
    world: World, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "db").write_bytes(content)
    ended = _invoke(world, "watch", "--vulnerabilities", str(tmp_path / "db"))
    assert ended.status == 2
    assert "is no database of vulnerabilities in the OSV format" in ended.err
    assert "Next: " in ended.err


def test_records_that_cannot_be_read_are_counted_in_a_warning(world: World, tmp_path: Path) -> None:
    good = osv_record("PYSEC-1", "numpy", {"introduced": "0"})
    path = osv_zip(tmp_path / "all.zip", [good, {**good, "id": "PYSEC-2", "affected": 7}])
    ended = _invoke(world, "watch", "--vulnerabilities", str(path))
    assert ended.status == 0
    assert "1 record is left out" in ended.err
    assert "all.zip: the newest of its 1 records is of 2026-11-20T10:00:00Z" in ended.err + ended.out
    assert "PYSEC-1" in ended.out


def test_a_silent_index_is_exit_4(world: World) -> None:
    ended = _invoke(world, "watch", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0")
    assert ended.status == 4
    assert "The index could not be asked for any project." in ended.err


def test_what_was_found_is_applied_and_kept_once_it_passed_the_audit(world: World) -> None:
    _offer(world, "numpy", "2.4")
    ended = _invoke(world, "watch", "--apply", "--resolver", "uv")
    assert ended.status == 0, ended.err + ended.out
    assert "numpy  changed  2.0     2.4" in ended.out
    assert "1 lock made anew; each passed the audit." in ended.out
    lock = (world.root / "lockfiles/sglang1.0-torch2.8.0-cann8.5.0-a3/pylock.aarch64.toml").read_text()
    assert "numpy-2.4-py3-none-any.whl" in lock
    assert _invoke(world, "watch", "--exit-code").status == 0
    kept = lock_files(world)
    again = _invoke(world, "watch", "--apply", "--resolver", "uv", "--exit-code", "--json")
    assert (again.status, json.loads(again.out)["applied"], lock_files(world)) == (0, [], kept)
    assert "Nothing to do" in _invoke(world, "watch", "--apply", "--only", "numpy").out


def test_a_component_moves_in_its_stack_where_only_names_it(world: World) -> None:
    _offer(world, "torch-npu", "2.8.0.post4", "torch==2.8.0")
    before = lock_files(world)
    left = _invoke(world, "watch", "--apply", "--resolver", "uv")
    assert (left.status, lock_files(world)) == (0, before)
    assert "Nothing to do: nothing that was found asks for a new lock." in left.out
    assert "Of torch-npu there are new releases; a component moves when --only names it." in left.out
    ended = _invoke(world, "watch", "--apply", "--only", "torch-npu", "--resolver", "uv", "--json")
    assert ended.status == 0, ended.err + ended.out
    changes = json.loads(ended.out)["applied"][0]["changes"]
    assert [(one["name"], one["before"], one["after"]) for one in changes] == [
        ("torch-npu", "2.8.0.post2", "2.8.0.post4")
    ]
    stack = (world.root / f"recipes/stacks/{STACK}.toml").read_text()
    assert 'torch-npu = "2.8.0.post4"\n' in stack
    assert _invoke(world, "plan", "--torch", "2.8.0", "--platform", "aarch64").status == 0


@pytest.mark.parametrize(
    ("requires", "extra", "code", "told"),
    [
        ("torch==9.9", "", 3, "torch"),
        ("torch==2.8.0", "einops.py", 7, "did not pass the audit, and the old one is as it was"),
    ],
    ids=["no resolution", "two wheels with one file"],
)
def test_a_lock_that_cannot_be_kept_leaves_every_file_bit_for_bit(
    world: World, requires: str, extra: str, code: int, told: str
) -> None:
    _offer(world, "torch-npu", "2.8.0.post4", requires, extra=extra)
    before = lock_files(world)
    ended = _invoke(world, "watch", "--apply", "--only", "torch-npu", "--resolver", "uv")
    assert ended.status == code, ended.err + ended.out
    assert told in ended.err
    assert "Not made anew, and as before" in ended.out
    assert "when --only names it" not in ended.out
    assert lock_files(world) == before


def test_a_vulnerability_that_no_lock_can_leave_behind_makes_none_anew(world: World, tmp_path: Path) -> None:
    """A job that runs every night would else write another time into the lock, every night."""
    path = osv_zip(tmp_path / "all.zip", [osv_record("PYSEC-1", "numpy", {"introduced": "0"})])
    before = lock_files(world)
    ended = _invoke(world, "watch", "--apply", "--vulnerabilities", str(path), "--exit-code")
    assert (ended.status, lock_files(world)) == (11, before), ended.err
    assert "Nothing to do: nothing that was found asks for a new lock." in ended.out


def test_a_yanked_release_that_nothing_replaces_leaves_its_lock_as_it_was(world: World) -> None:
    """Made anew, the lock would name the same files, and another time, every night."""
    old = world.index.files["torch_npu-2.8.0.post2-py3-none-any.whl"]
    world.index.offer(old.filename, old.content, yanked="wrong results")
    before = lock_files(world)
    ended = _invoke(world, "watch", "--apply", "--resolver", "uv")
    assert (ended.status, lock_files(world)) == (0, before), ended.err + ended.out
    assert "Nothing to do: the locks that were made anew name the same files" in ended.out
    as_json = _invoke(world, "watch", "--apply", "--resolver", "uv", "--json", "--exit-code")
    assert (as_json.status, json.loads(as_json.out)["applied"]) == (11, [])
    assert lock_files(world) == before


@pytest.mark.parametrize(("kind", "after"), [("changed", "1.9"), ("replaced", "2.0")])
def test_what_takes_the_place_of_a_spoiled_file_is_locked(world: World, kind: str, after: str) -> None:
    """An older release is taken for a yanked one, and other bytes under the same name are locked."""
    old = world.index.files["numpy-2.0-py3-none-any.whl"]
    if kind == "replaced":
        world.index.offer(old.filename, wheel("numpy", "2.0", extra="other.py"))
    else:
        world.index.offer(old.filename, old.content, yanked="wrong results")
        _offer(world, "numpy", "1.9")
    ended = _invoke(world, "watch", "--apply", "--resolver", "uv")
    assert ended.status == 0, ended.err + ended.out
    assert "1 lock made anew; each passed the audit." in ended.out
    assert f"numpy {kind} 2.0 {after}" in " ".join(ended.out.split())


def test_a_line_that_no_stack_has_is_not_applied_by_its_name(world: World) -> None:
    _offer(world, "torch", "2.9.0")
    ended = _invoke(world, "watch", "--apply", "--only", "torch")
    assert ended.status == 2
    assert "No lock is there for torch 2.9.0." in ended.err


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("torhc", "nothing that is watched is called torhc.\n\nDid you mean torch?"),
        ("numpy,zzz", "nothing that is watched is called zzz.\n\nIt is no component of a recipe"),
        (",", "nothing that is watched is called nothing."),
        ("", "nothing that is watched is called nothing."),
    ],
)
def test_a_name_that_nothing_has_is_told_before_anybody_is_asked(world: World, name: str, told: str) -> None:
    world.index.asked.clear()
    ended = _invoke(world, "watch", "--only", name)
    assert (ended.status, world.index.asked) == (2, [])
    assert told in ended.err


def test_apply_and_offline_do_not_go_together(world: World) -> None:
    assert _invoke(world, "watch", "--apply", "--offline").status == 2
