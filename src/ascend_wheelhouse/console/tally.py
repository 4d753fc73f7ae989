"""What the events add up to: jobs running, outcomes, bytes, rate and time left.

The clock comes in as a figure, so that the sums are the same at any time of day. One tally follows one run. A
new `Stage` starts the counts afresh; jobs that still run go with it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import get_args

from ascend_wheelhouse.base.events import Event, JobFinished, JobProgress, JobStarted, Outcome, Stage
from ascend_wheelhouse.console import words

_OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_WINDOW_SECONDS = 5.0
_SAMPLE_SECONDS = 0.2


@dataclass(kw_only=True)
class RunningJob:
    """A job that runs: bytes so far, bytes in all, when it started, the last thing that it said, when it will end."""

    name: str
    action: str
    total: int | None
    started: float
    done: int = 0
    line: str = ""
    ends: float | None = None

    def left(self, now: float) -> str:
        """Return how long it takes yet by its own count, or an empty text."""
        return f"{words.seconds(max(self.ends - now, 0))} left" if self.ends is not None else ""


class Tally:
    """The state behind every kind of output.

    Args:
        now: The clock's reading in seconds at the start of the run.
    """

    def __init__(self, now: float) -> None:
        self.running: dict[str, RunningJob] = {}
        self.stage = Stage(name="")
        self._begin(self.stage, now)

    def _begin(self, stage: Stage, now: float) -> None:
        self.stage = stage
        self.began = now
        self.outcomes: Counter[Outcome] = Counter()
        self._settled = 0
        self._moved = 0
        self._samples: deque[tuple[float, int]] = deque([(now, 0)])

    def apply(self, event: Event, now: float) -> RunningJob | None:
        """Take one event in; return the job that it ends, with its bytes and start, or None."""
        match event:
            case Stage():
                self._begin(event, now)
            case JobStarted():
                self.running[event.job] = RunningJob(
                    name=event.job, action=event.action, total=event.total, started=now
                )
            case JobProgress():
                self._progress(event, now)
            case JobFinished():
                return self._finish(event, now)
            case _:
                pass
        return None

    def _progress(self, event: JobProgress, now: float) -> None:
        job = self.running.get(event.job)
        if job is None:
            return
        job.line = event.line or job.line
        if event.left is not None:
            job.ends = now + event.left
        if event.done is not None:
            if event.moved:
                self._move(event.done - job.done, now)
            job.done = event.done

    def _finish(self, event: JobFinished, now: float) -> RunningJob:
        job = self.running.pop(event.job, None) or RunningJob(
            name=event.job, action="", total=None, started=now
        )
        self.outcomes[event.outcome] += 1
        if event.outcome == "done" and job.total is not None:
            self._move(job.total - job.done, now)
            job.done = job.total
        here = job.total is not None and event.outcome in {"done", "cached"}
        self._settled += job.total or 0 if here else job.done
        return job

    def _move(self, count: int, now: float) -> None:
        self._moved += max(count, 0)
        if now - self._samples[-1][0] >= _SAMPLE_SECONDS:
            self._samples.append((now, self._moved))

    @property
    def finished(self) -> int:
        """How many jobs of the stage have ended."""
        return self.outcomes.total()

    @property
    def queued(self) -> int:
        """How many jobs of the stage have not begun; 0 when the stage did not say how many it holds."""
        return max((self.stage.jobs or 0) - self.finished - len(self.running), 0)

    @property
    def share(self) -> float | None:
        """How much of the stage is done, 0 to 1, by bytes where they are known, else by jobs; None where neither is."""
        if self.stage.total:
            return min(self.done_bytes / self.stage.total, 1.0)
        return min(self.finished / self.stage.jobs, 1.0) if self.stage.jobs else None

    @property
    def done_bytes(self) -> int:
        """Bytes of the stage that are here."""
        return self._settled + sum(job.done for job in self.running.values())

    @property
    def moved_bytes(self) -> int:
        """Bytes of the stage that had to be moved: not those that were cached."""
        return self._moved

    def rate(self, now: float) -> float:
        """Return bytes a second over the last five seconds."""
        while len(self._samples) > 1 and now - self._samples[1][0] > _WINDOW_SECONDS:
            self._samples.popleft()
        since, moved = self._samples[0]
        return (self._moved - moved) / (now - since) if now > since else 0.0

    def seconds_left(self, now: float) -> float | None:
        """Return the time left at the present rate; None when the stage's bytes or the rate are not known."""
        rate = self.rate(now)
        if self.stage.total is None or rate <= 0:
            return None
        return max(self.stage.total - self.done_bytes, 0) / rate

    def counts(self) -> list[str]:
        """Return `running 2`, `done 30`, ... for every count that is not 0."""
        figures: list[tuple[str, int]] = [("running", len(self.running))]
        figures += [(outcome, self.outcomes[outcome]) for outcome in _OUTCOMES]
        figures.append(("queued", self.queued))
        return [f"{name} {figure}" for name, figure in figures if figure]

    def summary(self, now: float, dot: str) -> str:
        """Return what became of the stage, `fetch: done 30 · 442.0 MB in 12 s`; or its time alone."""
        took = now - self.began
        if not self.finished:
            return f"{self.stage.name}: {words.seconds(took)}" if self.stage.name and took >= 1 else ""
        ended = [f"{outcome} {self.outcomes[outcome]}" for outcome in _OUTCOMES if self.outcomes[outcome]]
        moved = [words.size(self._moved)] if self._moved else []
        name = f"{self.stage.name}: " if self.stage.name else ""
        return f"{name}{f' {dot} '.join([*ended, *moved])} in {words.seconds(took)}"

    def flow(self, now: float) -> list[str]:
        """Return bytes, rate and time left, those that are known."""
        parts = [words.portion(self.done_bytes, self.stage.total)]
        if self.running and self.rate(now) >= 1:
            parts.append(f"{words.size(int(self.rate(now)))}/s")
            left = self.seconds_left(now)
            parts.append(f"{words.seconds(left)} left" if left is not None else "")
        return [part for part in parts if part]
