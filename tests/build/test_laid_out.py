"""What was laid out for builds is counted, and goes when no build has used it for long."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from invoking import invoke

from ascend_wheelhouse.base.events import Note, silent
from ascend_wheelhouse.build.laid_out import (
    FAILED,
    UNUSED_DAYS,
    failed_builds,
    laid_out,
    mark_used,
    prune_laid_out,
)
from ascend_wheelhouse.store.store import Store


def made(store: Store, folder: str, *, days: float) -> Path:
    """Lay something out of 5 bytes that was last used some days ago."""
    place = store.root / folder / f"of-{days}"
    (place / "bin").mkdir(parents=True)
    (place / "bin/cc").write_text("12345")
    then = time.time() - days * 86400
    os.utime(place, (then, then))
    return place


def test_what_was_not_used_for_long_is_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old = [made(store, name, days=UNUSED_DAYS + 1) for name in ("toolchains", "environments")]
    young = made(store, "toolchains", days=UNUSED_DAYS - 1)
    assert [one.held for one in laid_out(store)] == [5, 5, 5]
    assert prune_laid_out(store, silent) == 10
    assert [path for path in (*old, young) if path.exists()] == [young]
    assert [one.place for one in laid_out(store)] == [young]


def test_a_use_keeps_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    place = made(store, "toolchains", days=UNUSED_DAYS + 1)
    mark_used(place)
    assert prune_laid_out(store, silent) == 0
    assert (place / "bin/cc").read_text() == "12345"


def test_a_run_that_is_at_work_is_waited_for(tmp_path: Path) -> None:
    store, told = Store(tmp_path), threading.Event()
    place = made(store, "toolchains", days=UNUSED_DAYS + 1)

    def emit(event: object) -> None:
        if isinstance(event, Note):
            told.set()

    with store.in_use():
        pruning = threading.Thread(target=prune_laid_out, args=(store, emit))
        pruning.start()
        assert told.wait(90)
        assert place.exists()
    pruning.join(90)
    assert not place.exists()


def test_the_command_counts_and_prunes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    made(Store(), "environments", days=UNUSED_DAYS + 1)
    (tmp_path / "lockfiles").mkdir()
    assert invoke("cache", "--json", root=tmp_path) == 0
    before = json.loads(capsys.readouterr().out)
    assert (before["laid_out"], before["laid_out_bytes"]) == (1, 5)
    assert invoke("cache", "--prune", "--json", root=tmp_path) == 0
    after = json.loads(capsys.readouterr().out)
    assert (after["laid_out"], after["freed_bytes"]) == (0, 5)


def failed(store: Store, name: str, *, hours: float) -> Path:
    """Leave the folder of a build of 5 bytes that failed some hours ago."""
    place = store.root / FAILED / name
    (place / "work").mkdir(parents=True)
    (place / "work/build.log").write_text("12345")
    then = time.time() - hours * 3600
    os.utime(place, (then, then))
    return place


def test_folders_of_failed_builds_are_counted_and_the_newest_of_each_component_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of torch_npu takes gigabytes, and each change of a recipe that fails leaves another."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    store = Store()
    for name, hours in (("torch-npu-1a", 3), ("torch-npu-2b", 1), ("torch-npu-3c", 2), ("deep-ep-4d", 9)):
        failed(store, name, hours=hours)
    (tmp_path / "lockfiles").mkdir()
    assert invoke("cache", root=tmp_path) == 0
    assert "4 folders of failed builds, 20 B" in capsys.readouterr().out
    assert invoke("cache", "--prune", "--json", root=tmp_path) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["failed_builds"], facts["failed_bytes"], facts["freed_bytes"]) == (2, 10, 10)
    assert [one.place.name for one in failed_builds(store)] == ["torch-npu-2b", "deep-ep-4d"]
