"""Events on their way from a worker to the master: as plain values, since the scheduler reads them too.

The name stands under `from`: Dask writes the sender's address under `worker`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ascend_wheelhouse.base.events import Event, JobFinished, JobProgress, JobStarted, Note

_KINDS: Mapping[str, type[JobStarted | JobProgress | JobFinished | Note]] = {
    one.__name__: one for one in (JobStarted, JobProgress, JobFinished, Note)
}


def packed(event: Event, worker: str) -> dict[str, Any]:
    """Return an event as it travels."""
    return {"kind": type(event).__name__, "from": worker, "fields": asdict(event)}


def wanted(worker: str, digests: Sequence[str]) -> dict[str, Any]:
    """Return the question for files, from the worker at that address."""
    return {"kind": "wanted", "from": worker, "fields": {"files": list(digests)}}


def unpacked(message: Mapping[str, Any]) -> Event | None:
    """Return the event of a message, the worker's name in its text; None for any other message."""
    kind, worker = _KINDS.get(str(message.get("kind"))), message.get("from", "")
    if kind is None:
        return None
    event = kind(**message["fields"])
    match event:
        case JobStarted():
            return replace(event, action=f"{event.action} on {worker}")
        case JobProgress():
            return replace(event, line=f"{worker}: {event.line}" if event.line else "")
        case JobFinished():
            return replace(event, detail=f"{event.detail} ({worker})" if event.detail else f"on {worker}")
        case Note():
            return replace(event, text=f"{worker}: {event.text}")
