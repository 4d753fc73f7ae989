"""`--profile`: a page and a trace of the times of one run, written however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.pages.recorder import Recorder


@contextmanager
def profiled(emit: Emit, where: Path | None, title: str) -> Iterator[Emit]:
    """Give the `Emit` of a run, which records its times where somebody asked for them.

    Args:
        emit: Told of the run.
        where: The page to write; the trace goes beside it as `.json`. None records nothing.
        title: What ran.
    """
    if where is None:
        yield emit
        return
    recorder = Recorder(emit)
    try:
        yield recorder
    finally:
        _write(recorder, where, title, emit)


def _write(recorder: Recorder, where: Path, title: str, emit: Emit) -> None:
    from ascend_wheelhouse.pages import gantt, trace  # noqa: PLC0415 - the template engine, when the run is over

    spans = recorder.close()
    page, events = where.with_suffix(".html"), where.with_suffix(".json")
    write_whole(page, gantt.page(title, spans))
    write_whole(events, trace.dumps(title, spans))
    emit(Note(text=f"times of this run: {page}, and {events} for chrome://tracing or Perfetto"))
