"""The live board on a terminal: a line for the stage, then one row a running job; what failed stays above.

Events only change the tally; the board's own thread draws it eight times a second, however many come. Lines
are cut to the window by hand, so that a narrow one loses detail and never its shape.
"""

from __future__ import annotations

import threading
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Event, JobFinished, Note, Stage
from ascend_wheelhouse.console import lines, words
from ascend_wheelhouse.console.tally import RunningJob, Tally

_CLOCK = SystemClock()
_DRAWS_A_SECOND = 8
_NAME_SHARE = 0.45
_NAME_MOST = 56
_NAME_LEAST = 8
_SIZE_WIDTH = 14
_SECONDS_WIDTH = 7
_DETAIL_LEAST = 12
_SPARE_ROWS = 3
_BAR_MOST = 60
_LOUD = {"failed": "red", "pending": "yellow"}


class Board:
    """Draws the events of a run; call it with events from any thread, and `close` it at the end.

    Args:
        stream: A terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._marks = words.marks_for(stream)
        self._lock = threading.Lock()
        self._tally = Tally(_CLOCK.monotonic())
        self._closed = False
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=_DRAWS_A_SECOND,
            transient=True,
        )
        self._live.start()

    def __call__(self, event: Event) -> None:
        """Take one event."""
        now = _CLOCK.monotonic()
        with self._lock:
            closing = self._tally.summary(now, self._marks.dot) if isinstance(event, Stage) else ""
            job = self._tally.apply(event, now)
        # Printing takes the drawing thread's lock, which draws under ours: never hold both.
        if closing:
            self._console.print(Text(closing))
        if isinstance(event, Note):
            style = "yellow" if event.level == "warning" else ""
            self._console.print(Text(lines.note_line(event, self._stream), style=style))
        if isinstance(event, JobFinished) and job is not None and event.outcome in _LOUD:
            text = lines.finish_line(event, job, now, self._stream)
            self._console.print(Text(text, style=_LOUD[event.outcome]))

    def close(self) -> None:
        """Take the board off the screen and leave the last stage's sum."""
        with self._lock:
            closing = self._tally.summary(_CLOCK.monotonic(), self._marks.dot)
            self._closed = True
        self._live.stop()
        if closing:
            self._console.print(Text(closing))

    def render(self) -> Group:
        """Return the board as it stands, cut to the window."""
        now = _CLOCK.monotonic()
        width, height = self._console.size
        with self._lock:
            if self._closed or not (self._tally.running or self._tally.stage.name):
                return Group()
            jobs = sorted(self._tally.running.values(), key=lambda job: job.started)
            head = [*self._head(width, now), *self._bar(width)]
            space = max(height - len(head) - _SPARE_ROWS, 1)
            rows = [self._row(job, width, now) for job in jobs[:space]]
        if len(jobs) > space:
            rows.append(Text(f"  {self._marks.ellipsis} {len(jobs) - space} more", style="dim"))
        return Group(*head, *rows)

    def _head(self, width: int, now: float) -> list[Text]:
        parts = [*self._tally.counts(), *self._tally.flow(now), words.seconds(now - self._tally.began)]
        joint = f" {self._marks.dot} "
        name = self._tally.stage.name
        lead = name if self._tally.running else f"{self._frame(now)} {name}"
        rows = [words.clip(f"{lead}  " if name else "", width, self._marks)]
        for index, part in enumerate(parts):
            glue = joint if index else ""
            if len(rows[-1]) + len(glue) + len(part) > width:
                rows.append(f"  {part}")
            else:
                rows[-1] += glue + part
        return [Text(row[:width], style="bold", no_wrap=True) for row in rows]

    def _bar(self, width: int) -> list[Text]:
        share = self._tally.share
        if share is None:
            return []
        whole = min(width, _BAR_MOST)
        done = int(whole * share)
        full, empty = self._marks.bar
        return [Text(no_wrap=True).append(full * done, "green").append(empty * (whole - done), "dim")]

    def _frame(self, now: float) -> str:
        return self._marks.spinner[int(now * _DRAWS_A_SECOND) % len(self._marks.spinner)]

    def _row(self, job: RunningJob, width: int, now: float) -> Text:
        figures = words.seconds(now - job.started).rjust(_SECONDS_WIDTH)
        size = words.portion(job.done, job.total) or job.left(now)
        figures_width = _SIZE_WIDTH + _SECONDS_WIDTH + 3
        name_width = max(min(int(width * _NAME_SHARE), _NAME_MOST, width - figures_width), _NAME_LEAST)
        name = words.clip(words.clean(job.name, self._stream), name_width, self._marks).ljust(name_width)
        row = f"{self._frame(now)} {name} {size.rjust(_SIZE_WIDTH)}{figures}"
        left = width - len(row) - 2
        detail = words.clean(job.line or job.action, self._stream)
        if left >= _DETAIL_LEAST:
            row += f"  {words.clip(detail, left, self._marks)}"
        text = Text(row, no_wrap=True, overflow="crop")
        text.truncate(width)
        return text
