"""What happens when a build is killed, when the disk is full, and when two builders share a store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import upstreams
from making_builds import cell
from tiny import tiny_job

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.jobserver import jobserver
from ascend_wheelhouse.build.making import ArtifactsError
from ascend_wheelhouse.build.sandbox import Namespaces, Unsealed, find_sandbox
from ascend_wheelhouse.build.script import StepFailedError
from ascend_wheelhouse.build.toolchain import find_toolchain
from ascend_wheelhouse.store.git_source import GitBundleMissingError
from ascend_wheelhouse.store.store import Store

CELL = cell({"torch": "2.8.0"})
SCRIPT = Path(__file__).parents[1] / "support" / "build_tiny.py"
ENV = os.environ | {"PYTHONPATH": str(Path(upstreams.__file__).parent)}


@pytest.fixture(autouse=True)
def _shared_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the builders in processes of their own import what the tests share."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))


def command(root: Path, *lines: str) -> list[str]:
    return [sys.executable, str(SCRIPT), str(root), *lines]


def started(root: Path, *lines: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(root, *lines), stdout=subprocess.PIPE, text=True, env=ENV)


def said(process: subprocess.Popen[str]) -> str:
    with process:
        return process.communicate()[0].strip().splitlines()[-1]


def processes_of(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark in (entry / "cmdline").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_a_killed_builder_leaves_no_process_and_the_next_one_builds(tmp_path: Path) -> None:
    lines = ("echo begun; test -e /tmp/never || sleep 2.25",)
    with started(tmp_path, *lines) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while processes_of("sleep\x002.25") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_of("sleep\x002.25")
    assert said(started(tmp_path, *lines)).startswith("built ")
    assert said(started(tmp_path, *lines)).startswith("cached ")


def test_two_builders_of_one_key_build_it_once(tmp_path: Path) -> None:
    tiny_job(tmp_path, CELL)
    both = [said(process) for process in [started(tmp_path, "sleep 0.5"), started(tmp_path, "sleep 0.5")]]
    assert sorted(word.split()[0] for word in both) == ["built", "cached"]
    assert len({word.split()[1] for word in both}) == 1


def test_two_builders_of_two_keys_share_a_store_side_by_side(tmp_path: Path) -> None:
    tiny_job(tmp_path, CELL)
    both = [said(process) for process in [started(tmp_path, "sleep 0.3"), started(tmp_path, "sleep 0.4")]]
    assert [word.split()[0] for word in both] == ["built", "built"]
    assert len({word.split()[1] for word in both}) == 1


def test_a_full_disk_is_told_and_harms_nothing_that_was_built(tmp_path: Path) -> None:
    tiny_job(tmp_path, CELL)
    small, fill = "mount -t tmpfs -o size=24m tmpfs $0/store", "head -c 30M /dev/zero > big"
    script = f'{small} && "$@" && cp -r $0/store $0/kept && exec "$@" "{fill}"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(tmp_path)]
    words = [*namespace, *command(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=ENV)
    assert done.stdout.startswith("built "), done.stderr
    assert "No space left on device" in done.stdout
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_step_that_fails_has_a_shell_that_opens_where_it_failed(tmp_path: Path) -> None:
    job, store = tiny_job(tmp_path, CELL, ("sh", "-c", "echo left > trace; exit 7"))
    builder = Builder(store=store, sandbox=find_sandbox(), emit=silent)
    with pytest.raises(StepFailedError, match="status 7") as caught:
        builder.build(job, find_toolchain({}))
    shell = caught.value.next_step.split()[1]
    done = subprocess.run(
        ["sh", shell], input="pwd; cat trace; id -un\n", capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["/build/source", "left", "builder"]


def test_a_build_sees_the_fifo_of_its_run_and_holds_one_slot(tmp_path: Path) -> None:
    line = 'test -p /build/jobserver && test "$MAKEFLAGS" = " -j2 --jobserver-auth=fifo:/build/jobserver"'
    job, store = tiny_job(tmp_path, CELL, ("sh", "-c", line), ("make", "--version"))
    with jobserver(2) as server:
        builder = Builder(store=store, sandbox=find_sandbox(), emit=silent, server=server)
        (wheel,) = builder.build(job, find_toolchain({}))
    assert wheel.filename.startswith("tiny-1.0-")


def test_steps_that_leave_no_wheel_are_told(tmp_path: Path) -> None:
    job, store = tiny_job(tmp_path, CELL, artifacts=["elsewhere/*.whl"])
    with pytest.raises(ArtifactsError, match="left no wheel, promised is tiny"):
        Builder(store=store, sandbox=find_sandbox(), emit=silent).build(job, find_toolchain({}))


def test_a_store_without_the_source_says_what_it_lacks(tmp_path: Path) -> None:
    job, _ = tiny_job(tmp_path, CELL)
    builder = Builder(store=Store(tmp_path / "other"), sandbox=find_sandbox(), emit=silent)
    with pytest.raises(GitBundleMissingError, match=job.sources.commit):
        builder.build(job, find_toolchain({}))


@pytest.mark.parametrize("sandbox", [Namespaces(), Unsealed()], ids=lambda sandbox: sandbox.name)
def test_the_other_sandboxes_give_the_same_wheel_and_say_which_they_are(
    sandbox: Namespaces | Unsealed, tmp_path: Path
) -> None:
    wheels = []
    for name, one in (("sealed", find_sandbox()), ("other", sandbox)):
        job, store = tiny_job(tmp_path / name, CELL)
        wheels += Builder(store=store, sandbox=one, emit=silent).build(job, find_toolchain({}))
    sealed, other = wheels
    assert other.sha256 == sealed.sha256
    assert other.sandbox == sandbox.name
    assert (other.key == sealed.key) == sandbox.sealed
