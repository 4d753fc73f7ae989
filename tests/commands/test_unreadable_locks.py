"""A lock that cannot be read keeps no other stack out of `invoke stacks`, and errors name the cell of such a lock."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from invoking import ROOT, invoke

from ascend_wheelhouse.locks.lock import BadLockError
from ascend_wheelhouse.locks.pylock_model import InvalidPylockError
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.watch.held import WatchChoice, watched

LOCK = "sglang0.5.6.post2-torch2.9.0-cann8.5.0-a3"
HIGHER = "sglang0.5.20-torch2.10.0-cann9.0.0-a3-glibc2.34"
UNUSED = ("sglang0.5.10*", "sglang0.5.23*", "sglang0.5.6.post2-*-cann8.3*-910b", "sglang*-torch2.13.0-*-910b")
"""Stacks and locks that need not be read for this."""
OF_LOCK = "invoke lock --upgrade --torch 2.9.0 --platform aarch64 --cann 8.5.0 --sglang 0.5.6.post2"
OF_HIGHER = "--sglang 0.5.20 --glibc 2.34`"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder, two of whose locks are spoiled as a merge leaves them."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    for name in ("recipes", "lockfiles"):
        shutil.copytree(ROOT / name, tmp_path / "project" / name, ignore=shutil.ignore_patterns(*UNUSED))
    for folder in (LOCK, HIGHER):
        spoilt = tmp_path / "project/lockfiles" / folder / "sources.aarch64.toml"
        spoilt.write_text("<<<<<<< HEAD\n" + spoilt.read_text())
    return tmp_path / "project"


def test_the_rest_is_shown_and_each_bad_lock_is_told(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke("stacks", root=root) == 2
    out, err = capfd.readouterr()
    assert "torch2.9.0-cann8.5.0: " in out
    assert "aarch64 a3: cannot be read" in out
    assert "vllm-ascend0.13.0-torch2.8.0-cann8.5.0: " in out
    assert f"{LOCK}/sources.aarch64.toml: not TOML" in err
    assert f"{HIGHER}/sources.aarch64.toml: not TOML" in err
    for words in ("--torch 2.9.0 --platform aarch64", OF_HIGHER):
        assert words in err
    assert "VERSION" not in err


def test_json_has_the_error_at_its_lock(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke("stacks", "--json", root=root) == 2
    stacks = json.loads(capfd.readouterr().out)["stacks"]
    locks = {one["name"]: one["locks"] for one in stacks}
    spoilt, sound = locks["torch2.9.0-cann8.5.0"]
    assert spoilt["error"]["error"] == "BadLockError"
    assert sound["error"] is None
    assert sound["wheels"] > 100


@pytest.mark.parametrize("words", [("watch", "--offline"), ("cache",)])
def test_what_reads_every_lock_names_the_cell_of_the_bad_one(
    root: Path, words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(root / "lockfiles" / HIGHER)
    assert invoke(*words, root=root) == 2
    assert OF_LOCK in capfd.readouterr().err


def test_a_watch_looks_at_the_others_and_tells_each_bad_one(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = [f"{HIGHER}/aarch64", f"{LOCK}/aarch64"]
    assert invoke("watch", "--offline", root=root) == 2
    out, err = capfd.readouterr()
    assert f"cannot be read: {', '.join(names)}." in out
    assert [f"{name}/sources.aarch64.toml: not TOML" in err for name in (HIGHER, LOCK)] == [True, True]
    assert invoke("watch", "--offline", "--json", root=root) == 2
    unread = json.loads(capfd.readouterr().out)["unread"]
    assert [(one["lock"], one["error"]) for one in unread] == [(name, "BadLockError") for name in names]


def test_a_bad_lock_keeps_no_watch_out_that_is_for_others(
    root: Path,
) -> None:
    """`invoke watch` of one stack does not read what is wrong with another's lock."""
    folder = ProjectFolder.load(root)
    for choice in (
        WatchChoice(torch="2.8.0"),
        WatchChoice(stack="torch2.6.0-cann8.3.rc2"),
        WatchChoice(platform="x86_64"),
    ):
        assert watched(folder, choice).locks
        assert not watched(folder, choice).unread
    for choice in (WatchChoice(torch="2.9.0"), WatchChoice(stack="torch2.9.0-cann8.5.0")):
        assert [one.name for one in watched(folder, choice).unread] == [f"{LOCK}/aarch64"]
    with pytest.raises(BadLockError, match=LOCK):
        watched(folder, WatchChoice(stack=LOCK))
    unknown = root / "lockfiles" / LOCK / "pylock.aarch64.toml"
    unknown.write_text("<<<<<<< HEAD")
    found = watched(folder, WatchChoice(torch="2.8.0"))
    assert found.locks
    assert [(one.stack, type(one.error)) for one in found.unread] == [(None, InvalidPylockError)]
