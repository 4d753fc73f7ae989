import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ascend_wheelhouse import console
from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobProgress, JobStarted, Note, Stage
from ascend_wheelhouse.console import stopping
from ascend_wheelhouse.console.lines import PlainLines


def _a_run(emit: Emit) -> None:
    emit(Stage(name="fetch", jobs=2, total=300))
    emit(JobStarted(job="a.whl", action="fetch", total=300))
    for done in range(0, 300, 10):
        emit(JobProgress(job="a.whl", done=done))
    emit(JobFinished(job="a.whl", outcome="done"))
    emit(JobFinished(job="cann.run", outcome="pending", detail="no origin answered"))
    emit(Note(text="2.8.0 is a derived cell", level="warning"))


@pytest.fixture
def verbose() -> Iterator[None]:
    """Have each file told of."""
    console.be_verbose(wanted=True)
    yield
    console.be_verbose(wanted=False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_changes_neither_the_end_nor_the_code(closed: str) -> None:
    text = (
        "from ascend_wheelhouse import console\n"
        "from ascend_wheelhouse.base.errors import UsageError\n"
        "with console.main_guard():\n"
        "    console.line('said')\n"
        "    raise UsageError('wrong')"
    )
    words = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, text]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ("said" in ended.stdout) is (closed == "2>&-")


def test_a_pipe_gets_a_line_a_stage_and_one_for_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with console.reporter("auto") as emit:
        _a_run(emit)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["? pending cann.run: no origin answered", "warning: 2.8.0 is a derived cell"]
    assert lines[2].startswith("fetch: done 1 · pending 1 · 300 B in ")
    assert len(lines) == 3


@pytest.mark.usefixtures("verbose")
def test_a_verbose_pipe_gets_starts_and_ends_and_no_escape_sequences(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with console.reporter("auto") as emit:
        _a_run(emit)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["fetch, 2 jobs, 300 B", "  fetch a.whl (300 B)"]
    assert lines[2].startswith("✓ done a.whl (300 B, ")
    assert lines[3:5] == ["? pending cann.run: no origin answered", "warning: 2.8.0 is a derived cell"]
    assert lines[5].startswith("fetch: done 1 · pending 1 · 300 B in ")


@pytest.mark.usefixtures("verbose")
def test_a_log_gets_cached_files_as_a_sum_only(capsys: pytest.CaptureFixture[str]) -> None:
    with console.reporter("plain") as emit:
        emit(Stage(name="fetch", jobs=3))
        for name in ("a", "b", "c"):
            emit(JobFinished(job=name, outcome="cached"))
        emit(Stage(name="audit"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fetch, 3 jobs"
    assert lines[1].startswith("fetch: cached 3 in ")
    assert lines[2:] == ["audit"]


@pytest.mark.usefixtures("verbose")
def test_a_log_of_a_stage_of_many_jobs_tells_their_ends_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with console.reporter("plain") as emit:
        emit(Stage(name="fetch", jobs=140))
        emit(JobStarted(job="a.whl", action="fetch"))
        emit(JobFinished(job="a.whl", outcome="done"))
    assert [line[:6] for line in capsys.readouterr().out.splitlines()] == ["fetch,", "✓ done", "fetch:"]


@pytest.mark.usefixtures("verbose")
def test_an_encoding_without_the_marks_gets_ascii() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with console.reporter("plain", stream=stream) as emit:
        _a_run(emit)
    stream.seek(0)
    assert "+ done a.whl" in stream.read()


def test_json_output_is_one_object_a_line_with_progress_thinned(capsys: pytest.CaptureFixture[str]) -> None:
    with console.reporter("json") as emit:
        _a_run(emit)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["event"] for row in rows] == [
        "stage",
        "job_started",
        "job_progress",
        "job_finished",
        "job_finished",
        "note",
    ]
    assert rows[4] == {
        "at": rows[4]["at"],
        "event": "job_finished",
        "job": "cann.run",
        "outcome": "pending",
        "detail": "no origin answered",
    }


def test_many_threads_never_mix_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    def work(emit: Emit, number: int) -> None:
        emit(JobStarted(job=f"job{number}", action="build"))
        emit(JobFinished(job=f"job{number}", outcome="done"))

    with console.reporter("json") as emit, ThreadPoolExecutor(8) as pool:
        for number in range(200):
            pool.submit(work, emit, number)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 400
    assert {row["job"] for row in rows} == {f"job{number}" for number in range(200)}


class _Log(io.StringIO):
    """A stream that tells when a text has been written to it."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self._awaited = awaited
        self.said = threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if self._awaited in text:
            self.said.set()
        return count


def test_a_long_job_is_heard_of_in_a_log() -> None:
    """The heartbeat names the job, how far it is, and the last line that it printed."""
    stream = _Log("[3/9] CXX a.o")
    emit = PlainLines(stream, heartbeat=0.01)
    emit(JobStarted(job="torch-npu", action="build"))
    emit(JobProgress(job="torch-npu", line="[3/9] CXX a.o"))
    assert stream.said.wait(120)
    emit(JobFinished(job="torch-npu", outcome="done"))
    emit.close()
    assert ".. running 1 | " in stream.getvalue()


def test_the_time_that_a_build_takes_yet_is_told_in_a_log() -> None:
    stream = _Log("left")
    emit = PlainLines(stream, heartbeat=0.01)
    emit(JobStarted(job="torch-npu", action="build"))
    emit(JobProgress(job="torch-npu", line="[3/9] CXX a.o", left=7260.0))
    assert stream.said.wait(60)
    emit.close()
    assert "left  [3/9] CXX a.o" in stream.getvalue()


def test_a_long_stage_without_jobs_is_heard_of_in_a_log() -> None:
    stream = _Log(".. resolve | ")
    emit = PlainLines(stream, heartbeat=0.01)
    emit(Stage(name="resolve"))
    assert stream.said.wait(120)
    emit.close()


class _Leaving(_Log):
    """A stream that takes nothing from the first line on."""

    def __init__(self, fault: OSError) -> None:
        super().__init__("never")
        self._fault = fault

    def write(self, text: str) -> int:
        super().write(text)
        self.said.set()
        raise self._fault


@pytest.mark.parametrize("fault", [BrokenPipeError(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_stream_that_takes_no_more_is_noticed_at_the_next_event_when_the_heartbeat_found_it(
    fault: OSError,
) -> None:
    stream = _Leaving(fault)
    emit = PlainLines(stream, heartbeat=0.01)
    emit(JobStarted(job="a", action="build"))
    assert stream.said.wait(60)
    for pulse in (one for one in threading.enumerate() if one.name == "console-heartbeat"):
        pulse.join()
    with pytest.raises(type(fault)) as caught:
        emit(JobProgress(job="a", line="on"))
    assert caught.value is fault


def test_an_error_is_text_with_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, console.main_guard():
        raise IntegrityError("a.whl has another hash.", why="It was changed.", next_step="invoke fetch")
    assert ended.value.code == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Error: a.whl has another hash.\n\nIt was changed.\n\nNext: invoke fetch\n"


def test_an_error_under_json_is_also_the_last_line_of_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), console.main_guard(json=True):
        raise IntegrityError("a.whl has another hash.")
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "error": "IntegrityError",
        "exit_code": 5,
        "what": "a.whl has another hash.",
        "why": "",
        "next": "",
    }
    assert err.startswith("Error: ")


def test_an_interrupt_says_that_work_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, console.main_guard():
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert "What was fetched is kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "code", "by"),
    [
        (signal.SIGINT, 130, "Ctrl-C"),
        (signal.SIGTERM, 143, "SIGTERM"),
        (signal.SIGHUP, 129, "SIGHUP, as a terminal that is closed sends it,"),
    ],
)
def test_a_stopped_run_ends_with_json_where_that_was_asked_for(
    number: signal.Signals, code: int, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, console.main_guard(json=True):
        os.kill(os.getpid(), number)
    assert ended.value.code == code
    told = json.loads(capsys.readouterr().out)
    assert sorted(told) == ["error", "exit_code", "next", "what", "why"]
    assert (told["error"], told["exit_code"], told["what"]) == ("Stopped", code, f"{by} stopped the run.")


def test_a_stopped_run_whose_reader_was_stopped_too_keeps_its_code() -> None:
    program = (
        "import os, signal\n"
        "from ascend_wheelhouse import console\n"
        "with console.main_guard(json=True):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.returncode == 130
    assert (
        done.stderr.split() == b"Stopped. What was fetched is kept; the next run goes on from there.".split()
    )


def test_sigterm_stops_as_cleanly_as_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, console.main_guard():
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 143
    assert "What was fetched is kept" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupt_ends_the_commands_that_other_threads_wait_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The user must not wait for a build of hours; what it broke off is no failure."""

    def build(emit: Emit) -> None:
        emit(JobStarted(job="torch-npu", action="build"))
        try:
            process.run_logged(["sleep", "60"], log=Path(os.devnull), on_line=print)
            process.run(["sleep", "60"])
        finally:
            emit(JobFinished(job="torch-npu", outcome="failed", detail="status -9"))

    def both(emit: Emit) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(build, emit)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(SystemExit) as ended, console.main_guard(), console.reporter("plain") as emit:
        both(emit)
    assert ended.value.code == 130
    assert "failed" not in capsys.readouterr().out
    assert not process.stopping()


@pytest.mark.parametrize(("patience", "cleared"), [(5.0, ["begun", "done"]), (0.0, ["begun"])])
def test_ctrl_c_pressed_again_does_not_break_off_the_clearing_up_unless_that_takes_long(
    monkeypatch: pytest.MonkeyPatch, patience: float, cleared: list[str]
) -> None:
    monkeypatch.setattr(stopping, "_PATIENCE_SECONDS", patience)
    steps: list[str] = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            steps.append("begun")
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("done")

    with pytest.raises(SystemExit) as ended, console.main_guard():
        work()
    assert ended.value.code == 130
    assert steps == cleared


def test_the_guard_keeps_the_signature_of_a_task() -> None:
    """Invoke reads options off a task's signature."""
    import inspect  # noqa: PLC0415 - needed by this test alone

    @console.main_guard()
    def task(context: object, torch: str = "2.8.0") -> None:
        """Do it."""

    assert list(inspect.signature(task).parameters) == ["context", "torch"]
    assert task.__doc__ == "Do it."


def _left_after_a_line(code: str) -> tuple[int, bytes]:
    """Run a program whose reader leaves after the first line; return its exit code and what it said then."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    return process.returncode, said


def test_a_reader_that_leaves_ends_the_run_without_a_traceback() -> None:
    code = (
        "from ascend_wheelhouse import console\n"
        "with console.main_guard():\n"
        "    console.table(['n'], [[str(n)] for n in range(100000)])\n"
        "    console.table(['n'], [[str(n)] for n in range(100000)])\n"
    )
    assert _left_after_a_line(code) == (141, b"")


def test_a_reader_that_leaves_stops_the_work_of_other_threads() -> None:
    code = (
        "import queue, threading, time\n"
        "from ascend_wheelhouse import console\n"
        "from ascend_wheelhouse.base.events import JobStarted\n"
        "def work(emit):\n"
        "    for n in range(2000):\n"
        "        emit(JobStarted(job=str(n), action='fetch'))\n"
        "        time.sleep(0.01)\n"
        "console.be_verbose(wanted=True)\n"
        "with console.main_guard(), console.reporter('plain') as emit:\n"
        "    threading.Thread(target=work, args=(emit,), daemon=True).start()\n"
        "    queue.SimpleQueue().get()\n"
    )
    assert _left_after_a_line(code) == (141, b"")


def test_importing_the_console_does_not_import_rich() -> None:
    """A run with nothing to do must cost little more than importing invoke."""
    code = "import sys, ascend_wheelhouse.console as c; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
