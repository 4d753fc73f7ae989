"""The times of a run in Chrome's trace event format, which chrome://tracing, Perfetto and speedscope open.

Complete events (`ph` X) with `ts` and `dur` in microseconds, one thread a lane, and metadata events (`ph` M) that name
process and threads. Source: the document "Trace Event Format" of the Chromium project.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.pages.recorder import KINDS, TimedSpan, in_lanes

_MICRO = 1_000_000
_LANES = 1000
_SHAPE = {
    "otherData?": {"title?": str},
    "traceEvents": [
        {"ph": str, "name": str, "cat?": str, "ts?": (int, float), "dur?": (int, float), "args?": dict}
    ],
}


class BadTraceError(UsageError):
    """A file that was given as the times of a run is none."""

    def __init__(self, path: Path, fault: object) -> None:
        super().__init__(
            f"{path} holds no times of a run: {fault}.",
            why="It is another file, or was cut short.",
            next_step="give the .json that `invoke wheelhouse {cell} --profile times.html` wrote",
        )


def dumps(title: str, spans: Sequence[TimedSpan]) -> str:
    """Return the trace as JSON."""
    events: list[dict[str, Any]] = [_named("process_name", title, 0)]
    lanes = sorted({(_thread(span), span.kind, span.lane) for span in spans})
    for thread, kind, lane in lanes:
        events.append(_named("thread_name", f"{kind} {lane + 1}" if lane else kind, thread))
        events.append(_meta("thread_sort_index", thread, {"sort_index": thread}))
    events += [_complete(span) for span in spans]
    document = {"displayTimeUnit": "ms", "otherData": {"title": title}, "traceEvents": events}
    return json.dumps(document, indent=1) + "\n"


def _thread(span: TimedSpan) -> int:
    rank = KINDS.index(span.kind) if span.kind in KINDS else len(KINDS)
    return rank * _LANES + span.lane + 1


def _named(what: str, name: str, thread: int) -> dict[str, Any]:
    return _meta(what, thread, {"name": name})


def _meta(what: str, thread: int, arguments: dict[str, object]) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": 1, "tid": thread, "ts": 0, "args": arguments}


def _complete(span: TimedSpan) -> dict[str, Any]:
    return {
        "name": span.name,
        "cat": span.kind,
        "ph": "X",
        "ts": round(span.began * _MICRO),
        "dur": round(span.took * _MICRO),
        "pid": 1,
        "tid": _thread(span),
        "args": {"outcome": span.outcome} if span.outcome else {},
    }


def read(path: Path) -> tuple[TimedSpan, ...]:
    """Return the spans of a trace that was written here.

    Raises:
        BadTraceError: It is none.
    """
    if not path.is_file():
        raise BadTraceError(path, "there is no such file")
    try:
        document = documents.read(path.read_bytes(), _SHAPE)
    except documents.UnsoundError as error:
        raise BadTraceError(path, error) from error
    rows = [event for event in document["traceEvents"] if event["ph"] == "X"]
    if not all(_is_sound(row) for row in rows):
        raise BadTraceError(path, "an event has no time, or one that no clock shows")
    return in_lanes(
        TimedSpan(
            kind=row.get("cat", ""),
            name=row["name"],
            began=row["ts"] / _MICRO,
            ended=(row["ts"] + row["dur"]) / _MICRO,
            outcome=str(row.get("args", {}).get("outcome", "")),
        )
        for row in rows
    )


def _is_sound(row: dict[str, Any]) -> bool:
    return all(0 <= row.get(key, -1) < 1 << 53 for key in ("ts", "dur"))
