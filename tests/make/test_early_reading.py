"""Wheels are read for the audit as they come; the audit finds what was read, and reads again what was not."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from local_index import write_wheel

from ascend_wheelhouse.audit.facts import to_json
from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.readers import (
    READERS,
    READERS_AT_ONCE,
    WheelInput,
    WheelToRead,
    extracted,
    known_facts,
)
from ascend_wheelhouse.audit.runner import audit_wheels
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.events import Event, JobFinished, silent
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.early_reading import EarlyReading
from ascend_wheelhouse.store.store import Store

PYTHON = (3, 11)
BIG = 17 << 20


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def held(store: Store, folder: Path, name: str, size: int) -> LockedFile:
    """Put a wheel into the store, with a file that does not shrink."""
    path = write_wheel(folder, name, "1.0")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{name}/data", os.urandom(size))
    with path.open("rb") as file:
        sha256 = store.add(file)
    return LockedFile.of(Artifact(filename=path.name, size=path.stat().st_size, sha256=sha256))


def task_of(store: Store, wheel: LockedFile) -> WheelToRead:
    where = WheelInput(path=store.path(wheel.sha256), filename=wheel.filename)
    return WheelToRead(wheel=where, sha256=wheel.sha256, python=PYTHON, roots=())


def reading(store: Store, *wheels: LockedFile, wanted: bool = True) -> EarlyReading:
    return EarlyReading(wheels, [], PYTHON, store, silent, wanted=wanted)


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def outcomes(store: Store, folder: Path) -> list[str]:
    """Audit the wheels of a folder and return what it tells of each."""
    told: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, JobFinished):
            told.append(event.outcome)

    audit_wheels(sorted(folder.glob("*.whl")), AuditPolicy(target=Target(machine="aarch64")), store, emit)
    return told


def test_the_audit_finds_what_was_read_while_wheels_came(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    wheels = [held(store, folder, "small", 100), held(store, folder, "big", BIG)]
    with reading(store, *wheels) as early:
        for wheel in wheels:
            early.take(wheel)
        until(lambda: all(store.has_result(task_of(store, wheel).key) for wheel in wheels))
    assert multiprocessing.active_children() == []
    for wheel in wheels:
        task = task_of(store, wheel)
        assert known_facts(task, store) == extracted(task)
    assert outcomes(store, folder) == ["cached", "cached"]


def test_little_is_left_to_the_audit(store: Store, tmp_path: Path) -> None:
    wheel = held(store, tmp_path / "wheels", "small", 100)
    with reading(store, wheel) as early:
        early.take(wheel)
        assert multiprocessing.active_children() == []
    assert not store.has_result(task_of(store, wheel).key)


def test_processes_are_ready_before_anything_big_is_here(store: Store, tmp_path: Path) -> None:
    small, big = (
        held(store, tmp_path / "wheels", name, size) for name, size in (("small", 100), ("big", BIG))
    )
    with reading(store, small, big) as early:
        early.take(small)
        until(lambda: len(multiprocessing.active_children()) == min(READERS_AT_ONCE, os.cpu_count() or 1))
        until(lambda: store.has_result(task_of(store, small).key))


def test_no_process_is_started_for_what_was_read_before(store: Store, tmp_path: Path) -> None:
    wheels = [held(store, tmp_path / "wheels", name, size) for name, size in (("small", 100), ("big", BIG))]
    audit_wheels(
        sorted((tmp_path / "wheels").glob("*.whl")),
        AuditPolicy(target=Target(machine="aarch64")),
        store,
        silent,
    )
    with reading(store, *wheels) as early:
        early.take(wheels[1])
        assert multiprocessing.active_children() == []


def test_nothing_is_read_where_no_audit_is_wanted(store: Store, tmp_path: Path) -> None:
    wheel = held(store, tmp_path / "wheels", "big", BIG)
    with reading(store, wheel, wanted=False) as early:
        early.take(wheel)
    assert not store.has_result(task_of(store, wheel).key)


def test_who_wants_a_wheel_that_is_being_read_waits_for_it(store: Store, tmp_path: Path) -> None:
    wheel = held(store, tmp_path / "wheels", "big", BIG)
    with READERS.joined():
        first = READERS.read(task_of(store, wheel), store)
        assert READERS.read(task_of(store, wheel), store) is first
        assert READERS.read(task_of(store, wheel), None) is not first
        assert first.result(60).facts is None


def test_readers_end_at_once_where_the_run_fails(store: Store, tmp_path: Path) -> None:
    wheel = held(store, tmp_path / "wheels", "big", 6 * BIG)

    def run() -> None:
        with reading(store, wheel) as early:
            early.take(wheel)
            until(multiprocessing.active_children)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    until(lambda: not multiprocessing.active_children())
    assert not store.has_result(task_of(store, wheel).key)


def test_what_a_killed_reader_left_is_read_by_the_audit(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    wheel = held(store, folder, "big", 6 * BIG)
    with reading(store, wheel) as early:
        early.take(wheel)
        until(multiprocessing.active_children)
        for process in multiprocessing.active_children():
            process.kill()
        until(lambda: not multiprocessing.active_children())
        assert outcomes(store, folder) == ["done"]
    assert store.has_result(task_of(store, wheel).key)


def test_a_wheel_that_is_gone_from_where_it_was_first_read_is_read_where_it_lies(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "wheels"
    big = held(store, folder, "big", BIG)
    held(store, folder, "other", 100)
    store.path(big.sha256).unlink()
    with READERS.joined():
        READERS.read(task_of(store, big), store, prove=True)
        assert outcomes(store, folder) == ["done", "done"]
    there = WheelInput(path=folder / big.filename, filename=big.filename)
    assert known_facts(task_of(store, big), store) == extracted(replace(task_of(store, big), wheel=there))


def test_nothing_is_known_by_a_wheel_that_was_damaged_in_the_store(store: Store, tmp_path: Path) -> None:
    """A sound one that comes later would have its facts."""
    wheel = held(store, tmp_path / "wheels", "big", BIG)
    path = store.path(wheel.sha256)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(BIG // 2)
        file.write(b"damage")
    with reading(store, wheel) as early:
        early.take(wheel)
    assert not store.has_result(task_of(store, wheel).key)


def test_what_was_read_meanwhile_is_not_read_again(store: Store, tmp_path: Path) -> None:
    wheel = held(store, tmp_path / "wheels", "small", 100)
    task = task_of(store, wheel)
    store.put_result(task.key, to_json(replace(extracted(task), top_level=("as_it_was_read",))))
    with READERS.joined():
        assert READERS.read(task, store).result(60).facts is None
    found = known_facts(task, store)
    assert found is not None
    assert found.top_level == ("as_it_was_read",)


def test_readers_never_hear_ctrl_c_so_that_none_of_them_talks_of_it() -> None:
    """Not even while they import, when Python would print where it was."""
    with READERS.joined():
        READERS.start()
        for process in multiprocessing.active_children():
            status = Path(f"/proc/{process.pid}/status").read_text()
            blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
            assert blocked & 1 << (signal.SIGINT - 1)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
