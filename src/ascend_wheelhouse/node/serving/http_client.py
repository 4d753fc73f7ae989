"""HTTP over loopback with the standard library: plain requests and server-sent events."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response: its status and its body."""

    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - JSON is whatever the server says
        """Return the body as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ValueError(f"the answer is not JSON: {self.body[:60]!r}") from error

    @property
    def text(self) -> str:
        """The body as text, for an error message."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class EventStream:
    """A streamed response: its status, its events, and when they came, in seconds after the request."""

    status: int
    events: tuple[Any, ...]
    times: tuple[float, ...]
    finished: bool


def get(port: int, path: str, *, seconds: float, key: str = "") -> Answer:
    """GET a path.

    Raises:
        OSError: No connection, or no answer within `seconds` (as `TimeoutError`).
    """
    with _open(port, path, None, seconds=seconds, key=key) as response:
        return Answer(status=response.status, body=response.read())


def post(port: int, path: str, body: Mapping[str, Any], *, seconds: float, key: str = "") -> Answer:
    """POST a JSON body; raises as `get` does."""
    with _open(port, path, body, seconds=seconds, key=key) as response:
        return Answer(status=response.status, body=response.read())


def stream(port: int, path: str, body: Mapping[str, Any], *, seconds: float, key: str = "") -> EventStream:
    """POST a JSON body and read server-sent events to the end; raises as `get` does."""
    began = time.monotonic()
    events, times, finished = [], [], False
    with _open(port, path, body, seconds=seconds, key=key) as response:
        for raw in response:
            kind, _, value = raw.decode("utf-8", "replace").strip().partition(":")
            if kind != "data":
                continue
            if value.strip() == "[DONE]":
                finished = True
                break
            events.append(json.loads(value))
            times.append(time.monotonic() - began)
    return EventStream(status=response.status, events=tuple(events), times=tuple(times), finished=finished)


@contextmanager
def _open(
    port: int, path: str, body: Mapping[str, Any] | None, *, seconds: float, key: str
) -> Iterator[http.client.HTTPResponse]:
    method = "GET" if body is None else "POST"
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        yield connection.getresponse()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{type(error).__name__} from {method} {path}: {error}") from error
    finally:
        connection.close()
