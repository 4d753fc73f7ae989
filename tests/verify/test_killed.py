"""What is left after `kill -9` of whoever verifies: nothing, whatever the processes under test made of themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import ROOT, free_port, programs, until
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.node.archive import build
from ascend_wheelhouse.node.place import PACKAGE

STAND_IN = Path(__file__).with_name("stand_in_server.py")
_PROBE = """
import os
from pathlib import Path
from {package}.supervise import run
run({words!r}, environment=os.environ, folder=Path({folder!r}), seconds=600, memory=1 << 40)
"""
_SERVER = """
import os, time
from pathlib import Path
from ascend_wheelhouse.node.serving.server_process import Server, ServerPlan
with Server(ServerPlan(words={words!r}, environment=os.environ, port={port}, folder=Path({folder!r}))) as server:
    time.sleep(600)
"""
_HANG = """
if not os.path.exists({once!r}):
    open({once!r}, "x")
    import subprocess
    subprocess.Popen(["/usr/bin/env", "sleep", {mark!r}], env={{}}, start_new_session=True)
    subprocess.run(["sleep", {mark!r}])
"""
_NOX = "import noxfile; noxfile._ending_with_nox({words!r})"
_ESCAPE = "import subprocess; subprocess.Popen(['/usr/bin/env', 'sleep', '{mark}'], env={{}}, start_new_session=True)"


@pytest.fixture
def mark() -> Iterator[str]:
    """A number of seconds by which the processes of a test are found; what a failed test leaves is killed."""
    made = f"600.{free_port()}{os.getpid()}"
    yield made
    for pid in programs(made):
        os.kill(pid, signal.SIGKILL)


def hanging(mark: str) -> list[str]:
    """Return a command that hangs, having started another in a session of its own and with no environment."""
    return [sys.executable, "-c", f"{_ESCAPE.format(mark=mark)}; import time; time.sleep(600)", mark]


def killed(owner: subprocess.Popen[bytes], mark: str, count: int = 2) -> None:
    """Kill a process once what it started runs, and wait until none of that is left."""
    try:
        until(lambda: len(sleeping(mark)) == count, "the command and what it started run")
    finally:
        owner.kill()
        owner.wait()
    until(lambda: not programs(mark), "nothing is left")


def sleeping(mark: str) -> list[int]:
    """Return the marked processes, those that only hold another aside."""
    return [pid for pid in programs(mark) if b"guardian" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_killed_verification_leaves_no_probe_and_no_child_of_it_in_a_session_of_its_own(
    tmp_path: Path, mark: str
) -> None:
    script = _PROBE.format(
        package="ascend_wheelhouse.node", words=["/usr/bin/env", *hanging(mark)], folder=str(tmp_path)
    )
    killed(subprocess.Popen([sys.executable, "-c", script]), mark)


def test_a_killed_verification_of_the_installer_leaves_none_either(tmp_path: Path, mark: str) -> None:
    archive = tmp_path / "install.py"
    archive.write_bytes(build(PACKAGE))
    (package,) = {
        name.split("/")[0] for name in zipfile.ZipFile(archive).namelist() if "/supervise.py" in name
    }
    script = f"import sys; sys.path.insert(0, {str(archive)!r})" + _PROBE.format(
        package=package, words=hanging(mark), folder=str(tmp_path)
    )
    killed(subprocess.Popen([sys.executable, "-I", "-c", script]), mark)


def test_a_killed_check_of_a_server_leaves_no_server(tmp_path: Path, mark: str) -> None:
    script = _SERVER.format(words=hanging(mark), port=free_port(), folder=str(tmp_path))
    killed(subprocess.Popen([sys.executable, "-c", script]), mark)


def test_a_killed_nox_leaves_nothing_of_its_verification(tmp_path: Path, mark: str) -> None:
    words = verifying(tmp_path, mark)
    script = _NOX.format(words=words)
    killed(subprocess.Popen([sys.executable, "-c", script], cwd=ROOT), mark)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_verification_that_is_asked_to_end_removes_what_it_made(
    tmp_path: Path, mark: str, number: signal.Signals, status: int
) -> None:
    (tmp_path / "tmp").mkdir()
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    run = subprocess.Popen(verifying(tmp_path, mark), cwd=ROOT, env=env)
    until(lambda: len(sleeping(mark)) == 2, "something of the environment runs")
    run.send_signal(number)
    assert run.wait(90) == status
    assert programs(mark) == []
    assert list((tmp_path / "tmp").glob("av-*")) == []


def verifying(folder: Path, mark: str) -> list[str]:
    """Return what verifies a wheelhouse whose environment hangs at once, with a process that got away from it."""
    code = _HANG.format(once=str(folder / "once"), mark=mark)
    wheel = ("alpha", "1.0", {"alpha/__init__.py": "", "alpha.pth": f"import os; exec({code!r})\n"})
    house = SmallWheelhouse(wheels=[wheel]).write(folder / "small")
    words = ["--wheelhouse", str(house), "--report", str(folder / "report")]
    return [sys.executable, "-m", "ascend_wheelhouse.verify", *words]
