"""Jobs in a queue, without a Slurm: what its commands print, and what the run tells and does then."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from distributed.security import Security

from ascend_wheelhouse.base.events import Event
from ascend_wheelhouse.farm import farm, queued
from ascend_wheelhouse.farm.errors import JobsEndedError
from ascend_wheelhouse.farm.queued import Jobs, address_for_nodes, checks

FACTS = {"python": "/p", "certificates": "/c", "address": "tls://h:1"}


class Queue:
    """Commands of Slurm that print what they are told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def says(self, command: str, text: str, status: int = 0) -> None:
        """Have a command print a text."""
        script = self.folder / command
        script.write_text(f"#!/bin/sh\ncat <<'E'\n{text}\nE\nexit {status}\n")
        script.chmod(0o755)


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queue:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(queued, "LOOK_SECONDS", 0.0)
    return Queue(folder)


def test_a_job_that_waits_is_told_once_and_again_when_that_changes(queue: Queue) -> None:
    told: list[Event] = []
    jobs = Jobs(("7", "8"), FACTS)
    queue.says("squeue", "7|RUNNING|n1|None\n8|PENDING||Resources")
    assert [jobs.waiting(told.append), jobs.waiting(told.append)] == [True, True]
    queue.says("squeue", "7|RUNNING|n1|None\n8|RUNNING|n2|None")
    assert not jobs.waiting(told.append)
    assert [getattr(event, "text", "") for event in told] == [
        "jobs of Slurm 7, 8: 1 started on n1; 1 wait in the queue (Resources)",
        "jobs of Slurm 7, 8: 2 started on n1, n2",
    ]
    assert jobs.started() == 2


def test_where_slurm_does_not_answer_no_job_is_taken_to_wait(queue: Queue) -> None:
    queue.says("squeue", "7|PENDING||Resources", status=1)
    told: list[Event] = []
    jobs = Jobs(("7",), FACTS)
    assert (jobs.waiting(told.append), jobs.started(), told) == (False, 0, [])


class Joining:
    """A connection that sees one more worker at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def workers(self) -> dict[str, object]:
        """Return the workers that are there."""
        self.looks += 1
        return dict.fromkeys(map(str, range(self.looks)))


@pytest.mark.parametrize(("seconds", "looks"), [(30.0, 3), (0.0, 1)])
def test_the_workers_of_jobs_that_have_started_are_waited_for_a_little(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, seconds: float, looks: int
) -> None:
    monkeypatch.setattr(farm, "_TOGETHER_SECONDS", seconds)
    monkeypatch.setattr(farm, "_TOGETHER_PAUSE", 0.01)
    queue.says("squeue", "7|RUNNING|n1|\n8|RUNNING|n2|\n9|RUNNING|n2|\n10|PENDING||Priority\n11|FAILED|n1|")
    link: Any = Joining()
    farm.await_started(link, Jobs(("7", "8", "9", "10", "11"), FACTS))
    assert link.looks == looks


def test_one_job_that_ended_is_told_and_the_run_goes_on(queue: Queue) -> None:
    queue.says("squeue", "7|FAILED|n1|NonZeroExitCode\n8|PENDING||Priority")
    told: list[Event] = []
    assert Jobs(("7", "8"), FACTS).waiting(told.append)
    assert "1 ended (7)" in getattr(told[0], "text", "")


@pytest.mark.parametrize(
    ("shown", "said", "following"),
    [
        ("ExitCode=171:0 StdErr=/l", "its node does not have the Python /p", "jobqueue.slurm.python"),
        ("ExitCode=172:0 StdErr=/l", "cannot read the certificates of this run, /c", "shared-temp-directory"),
        ("ExitCode=173:0 StdErr=/l", "does not reach this host at tls://h:1", "jobqueue.slurm.interface"),
        ("ExitCode=0:53 StdErr=/logs/a-%J.err", "cannot write the job's log, /logs/a-7.err", "log-directory"),
        ("ExitCode=1:0 StdErr=LOG", "FAILED, exit status 1:0: No module named 'x'", "read LOG on n1"),
        ("ExitCode=1:0 StdErr=/nowhere/log", "is FAILED, exit status 1:0.", "read /nowhere/log on n1"),
        ("", "is FAILED, exit status unknown.", "read its log on n1"),
    ],
)
def test_jobs_that_all_ended_are_an_error_with_the_cause(
    queue: Queue, tmp_path: Path, shown: str, said: str, following: str
) -> None:
    log = tmp_path / "log"
    log.write_text("Traceback\nNo module named 'x'\n\n")
    queue.says("squeue", "7|FAILED|n1|NonZeroExitCode\n8|CANCELLED||None")
    queue.says("scontrol", f"JobId=7 {shown.replace('LOG', str(log))} Power=")
    with pytest.raises(JobsEndedError) as caught:
        Jobs(("7", "8"), FACTS).waiting(lambda _event: None)
    assert "2 of 2: job 7 on n1" in caught.value.what
    assert said in caught.value.what
    assert following.replace("LOG", str(log)) in str(caught.value.next_step)


def test_the_master_s_address_is_the_one_towards_the_first_node_that_has_a_name(queue: Queue) -> None:
    queue.says("sinfo", "nosuch.invalid\n127.0.0.2")
    assert address_for_nodes("cpu") == "127.0.0.1"
    queue.says("sinfo", "", status=1)
    assert address_for_nodes(None) is None


@pytest.mark.parametrize("lacks", ["nothing", "python", "certificates", "master"])
def test_a_job_ends_with_a_status_that_tells_what_its_node_lacks(tmp_path: Path, lacks: str) -> None:
    paths = [tmp_path / name for name in ("ca", "cert", "key")]
    for path in paths[: 2 if lacks == "certificates" else 3]:
        path.touch()
    ca, cert, key = map(str, paths)
    security = Security(tls_ca_file=ca, tls_worker_cert=cert, tls_worker_key=key, require_encryption=True)
    python = "/nosuch/python" if lacks == "python" else sys.executable
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tls://127.0.0.1:{server.getsockname()[1]}"
        if lacks == "master":
            server.close()
        lines = "\n".join(checks(python, security, address))
        done = subprocess.run(["bash", "-c", lines], capture_output=True, check=False)
    expected = {"nothing": 0, "python": 171, "certificates": 172, "master": 173}
    assert done.returncode == expected[lacks]
