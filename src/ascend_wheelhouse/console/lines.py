"""Output one line at a time: sentences for a pipe or a log, JSON objects for a machine.

The plain form is a line a stage, when it is over, and a line for whatever did not end well; told to be verbose, also
for each start and end. What runs long is heard of every ten seconds, so that a log never looks dead.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from typing import Final, TextIO

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Event, JobFinished, JobProgress, JobStarted, Note, Stage
from ascend_wheelhouse.base.started import as_started
from ascend_wheelhouse.console import words
from ascend_wheelhouse.console.tally import RunningJob, Tally

_CLOCK = SystemClock()
HEARTBEAT_SECONDS: Final = 10.0
_PROGRESS_SECONDS: Final = 0.5
_NAMED_JOBS: Final = 3
_DETAIL_MOST: Final = 400
_MANY_JOBS: Final = 20
_ALWAYS: Final = {"failed", "pending"}


def finish_line(event: JobFinished, job: RunningJob | None, now: float, stream: TextIO) -> str:
    """Return how a job ended: mark, outcome, name, detail; with bytes and seconds when it had begun."""
    marks = words.marks_for(stream)
    figures = [words.size(job.done) if job.done else "", words.seconds(now - job.started)] if job else []
    tail = f" ({', '.join(filter(None, figures))})" if figures and event.outcome == "done" else ""
    detail = f": {words.clip(words.clean(event.detail, stream), _DETAIL_MOST, marks)}" if event.detail else ""
    return f"{marks.outcomes[event.outcome]} {event.outcome} {words.clean(event.job, stream)}{tail}{detail}"


def stage_line(stage: Stage) -> str:
    """Return how a stage is announced."""
    jobs = "" if stage.jobs is None else f", {stage.jobs} job{'s' if stage.jobs != 1 else ''}"
    total = f", {words.size(stage.total)}" if stage.total else ""
    return f"{stage.name}{jobs}{total}"


def note_line(note: Note, stream: TextIO) -> str:
    """Return a note as one line; a warning says so."""
    text = words.clean(note.text, stream)
    return f"warning: {text}" if note.level == "warning" else text


class PlainLines:
    """Starts and ends as lines on a stream; call it with events from any thread, and `close` it at the end.

    Args:
        stream: Where the lines go.
        heartbeat: Seconds of silence after which the stage and its running jobs are named.
        verbose: Tell of each stage's begin, and of each job.
    """

    def __init__(
        self, stream: TextIO, *, heartbeat: float = HEARTBEAT_SECONDS, verbose: bool = False
    ) -> None:
        self._verbose = verbose
        self._stream = stream
        self._heartbeat = heartbeat
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._fault: OSError | None = None
        self._pulse: threading.Thread | None = None
        self._tally = Tally(_CLOCK.monotonic())
        self._said = _CLOCK.monotonic()

    def __call__(self, event: Event) -> None:
        """Take one event.

        Raises:
            OSError: The stream takes no more, as this or an earlier line found: its reader left, or its disk is full.
        """
        now = _CLOCK.monotonic()
        with self._lock:
            if self._fault is not None:
                raise self._fault
            if isinstance(event, Stage):
                self._sum_up(now)
            started = isinstance(event, JobFinished) and event.job in self._tally.running
            job = self._tally.apply(event, now)
            line = self._line(event, job if started else None, now)
            if line:
                self._write(line)
            if self._pulse is None and isinstance(event, Stage | JobStarted):
                self._pulse = threading.Thread(target=self._beat, name="console-heartbeat", daemon=True)
                self._pulse.start()

    def close(self) -> None:
        """Stop the heartbeat and sum up the last stage."""
        self._ended.set()
        if self._pulse is not None:
            self._pulse.join()
        self._sum_up(_CLOCK.monotonic())

    def _sum_up(self, now: float) -> None:
        text = self._tally.summary(now, words.marks_for(self._stream).dot)
        if text:
            self._write(text)

    def _line(self, event: Event, job: RunningJob | None, now: float) -> str:
        if isinstance(event, Note):
            return note_line(event, self._stream)
        if isinstance(event, JobFinished) and event.outcome in _ALWAYS:
            return finish_line(event, job, now, self._stream)
        return self._detail(event, job, now) if self._verbose else ""

    def _detail(self, event: Event, job: RunningJob | None, now: float) -> str:
        match event:
            case Stage():
                return stage_line(event)
            case JobStarted() if (self._tally.stage.jobs or 0) <= _MANY_JOBS:
                total = f" ({words.size(event.total)})" if event.total else ""
                return f"  {event.action} {words.clean(event.job, self._stream)}{total}"
            case JobFinished() if job is not None or event.outcome != "cached":
                return finish_line(event, job, now, self._stream)
            case _:
                return ""

    def _write(self, line: str) -> None:
        self._said = _CLOCK.monotonic()
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def _beat(self) -> None:
        """Speak after a silence; a reader that left, or a full disk, is told of by the next event."""
        while not self._ended.wait(self._heartbeat / 10):
            with self._lock:
                if _CLOCK.monotonic() - self._said < self._heartbeat:
                    continue
                try:
                    self._write(self._still_running(_CLOCK.monotonic()))
                except OSError as error:
                    self._fault = error
                    return

    def _still_running(self, now: float) -> str:
        marks = words.marks_for(self._stream)
        oldest = sorted(self._tally.running.values(), key=lambda job: job.started)[:_NAMED_JOBS]
        named = [self._running_job(job, now) for job in oldest]
        took = words.seconds(now - self._tally.began)
        parts = [self._tally.stage.name, *self._tally.counts(), *self._tally.flow(now), took]
        head = f" {marks.dot} ".join(filter(None, parts))
        return "\n".join([f"{marks.ellipsis} {head}", *named])

    def _running_job(self, job: RunningJob, now: float) -> str:
        took, left = words.seconds(now - job.started), job.left(now)
        parts = [job.name, words.portion(job.done, job.total), took, left, job.line]
        return "    " + "  ".join(words.clean(part, self._stream) for part in parts if part)


class JsonLines:
    """Each event as one JSON object on a line, `event` its kind and `at` its second.

    Progress of one job is told at most twice a second.

    Args:
        stream: Where the lines go; nothing else may be written there.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._began = _CLOCK.monotonic()
        self._told: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        at = _CLOCK.monotonic() - self._began
        with self._lock:
            if isinstance(event, JobProgress):
                if at - self._told.get(event.job, -_PROGRESS_SECONDS) < _PROGRESS_SECONDS:
                    return
                self._told[event.job] = at
            kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
            row = {"event": kind, "at": round(at, 3), **dataclasses.asdict(event)}
            self._stream.write(f"{as_started(json.dumps(row, sort_keys=True))}\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing is held open."""
