"""`--profile`: a page and a trace of the times of one run, written however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.base.output_file import require_place, write_result
from ascend_wheelhouse.pages.recorder import Recorder


@contextmanager
def profiled(emit: Emit, where: Path | None, title: str) -> Iterator[Emit]:
    """Give the `Emit` of a run, which records its times where somebody asked for them.

    Args:
        emit: Told of the run.
        where: The page to write; the trace goes beside it as `.json`. None records nothing.
        title: What ran.

    Raises:
        OutputUnwritableError: They cannot be written there; nothing ran.
    """
    if where is None:
        yield emit
        return
    for file in _files(where):
        require_place(file, "--profile", "times.html")
    recorder = Recorder(emit)
    try:
        yield recorder
    finally:
        _write(recorder, where, title, emit)


def _write(recorder: Recorder, where: Path, title: str, emit: Emit) -> None:
    from ascend_wheelhouse.pages import gantt, trace  # noqa: PLC0415 - the template engine, when the run is over

    spans = recorder.close()
    page, events = _files(where)
    try:
        write_result(page, gantt.page(title, spans))
        write_result(events, trace.dumps(title, spans))
    except OSError as error:  # how the run itself ended counts for more
        lost = f"the times of this run are lost: {error.filename or page}: {error.strerror or error}"
        emit(Note(text=lost, level="warning"))
        return
    emit(Note(text=f"times of this run: {page}, and {events} for chrome://tracing or Perfetto"))


def _files(where: Path) -> tuple[Path, Path]:
    """Return the page and the trace: an ending of theirs may be named, any other belongs to the name."""
    name = where.stem if where.suffix in {".html", ".json"} else where.name
    return where.with_name(f"{name}.html"), where.with_name(f"{name}.json")
