"""Builds of one thread are done one after another in one process, and no build sees what the one before did."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import Bench
from sdists import BACKEND, PUBLISHED, built, recipe, sdist, sources, where

from ascend_wheelhouse.base.events import Event, JobProgress
from ascend_wheelhouse.base.process import Leash
from ascend_wheelhouse.build.command import build_component
from ascend_wheelhouse.build.script import StepFailedError
from ascend_wheelhouse.build.worker import WorkerFailedError

_LEAVES = """
import contextlib, os
from pathlib import Path
import sys
for place in ("/tmp/left", "/dev/shm/left", sys.prefix + "/left", os.environ["HOME"] + "/left", "/build/left"):
    with contextlib.suppress(OSError):
        Path(place).touch()
"""
_LOOKS = """
import sys
from pathlib import Path
places = ("/tmp/left", "/dev/shm/left", sys.prefix + "/left", os.environ["HOME"] + "/left", "/build/left")
assert not any(Path(place).exists() for place in places)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(root=tmp_path / "store")


def versions(folder: Path, *backends: str) -> dict[str, Path]:
    """Write a project of each backend, its version its place in the row."""
    found = {}
    for number, backend in enumerate(backends):
        version = f"1.{number}"
        published = PUBLISHED.replace('"1.0"', f'"{version}"')
        files = {"pyproject.toml": published, "backend.py": backend}
        found[version] = sdist(folder, files, version=version)
    return found


def processes() -> list[int]:
    """Return the processes that builds of this one are done in."""
    children = Path(f"/proc/{threading.get_native_id()}/task/{threading.get_native_id()}/children")
    found = [int(word) for word in children.read_text().split()]
    return [
        one for one in found if b"ascend_wheelhouse.build.worker" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


def test_builds_of_one_thread_share_a_process(bench: Bench, tmp_path: Path) -> None:
    seen = []
    for version, path in versions(tmp_path, BACKEND, BACKEND).items():
        built(bench, path, version=version)
        seen.append(processes())
    assert len(seen[0]) == 1
    assert seen[1] == seen[0]


def test_no_build_sees_what_the_one_before_wrote(bench: Bench, tmp_path: Path) -> None:
    for version, path in versions(tmp_path, BACKEND + _LEAVES, BACKEND + _LOOKS).items():
        built(bench, path, version=version)


def test_a_build_that_failed_is_followed_by_one_that_does_not(bench: Bench, tmp_path: Path) -> None:
    first, second = versions(tmp_path, "raise SystemExit('on purpose')", BACKEND).items()
    with pytest.raises(StepFailedError, match=r"on purpose"):
        built(bench, first[1], version=first[0])
    assert built(bench, second[1], version=second[0]).filename == "server-1.1+npu-py3-none-any.whl"


def test_other_variables_of_the_run_reach_the_next_build(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = versions(tmp_path, BACKEND, BACKEND).items()
    built(bench, first[1], version=first[0])
    before = processes()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    built(bench, second[1], version=second[0])
    assert processes() != before


def test_no_process_stands_after_a_build_without_a_sandbox(bench: Bench, tmp_path: Path) -> None:
    """What such a build started may go on, and ends with the process that it was done in."""
    (path,) = versions(tmp_path, BACKEND).values()
    done = build_component(
        recipe(), where("1.0"), sources(bench, path), replace(bench.workshop, sandbox=False)
    )
    assert isinstance(done, list)
    assert processes() == []


def test_no_process_stands_when_its_thread_has_ended(bench: Bench, tmp_path: Path) -> None:
    (path,) = versions(tmp_path, BACKEND).values()
    seen: list[int] = []

    def build() -> None:
        built(bench, path)
        seen.extend(processes())

    thread = threading.Thread(target=build)
    thread.start()
    thread.join()
    (one,) = seen
    assert not Path(f"/proc/{one}").exists()


def test_a_build_that_was_stopped_leaves_a_thread_that_can_build(bench: Bench, tmp_path: Path) -> None:
    """As a worker of a farm goes on, whose build nobody waits for any more."""
    waits = "import time\nprint('it runs', flush=True)\ntime.sleep(600)\n"
    first, second = versions(tmp_path, waits, BACKEND).items()
    leash = Leash()

    def stop(event: Event) -> None:
        if isinstance(event, JobProgress) and event.line == "it runs":
            leash.stop()

    stopped = replace(bench.workshop, emit=stop)
    with pytest.raises(WorkerFailedError), leash.held():
        build_component(recipe(), where(first[0]), sources(bench, first[1]), stopped)
    built(bench, second[1], version=second[0])
