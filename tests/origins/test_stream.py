from __future__ import annotations

import pytest

from ascend_wheelhouse.origins.answers import Head
from ascend_wheelhouse.origins.stream import Stream

_RECORD = bytes(16 << 10)
_MIB = 1 << 20


class _Socket:
    """A source that yields records, each after some seconds of a clock of its own."""

    def __init__(self, *waits: float, ends: Exception | None = None) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self._waits = list(waits)
        self._ends = ends

    def read1(self, amt: int, /) -> bytes:
        if not self._waits:
            if self._ends is not None:
                raise self._ends
            return b""
        self.now += self._waits.pop(0)
        return _RECORD[:amt]

    def pause(self, seconds: float) -> float:
        if seconds:
            self.pauses.append(seconds)
            self.now += seconds
        return self.now


def _stream(socket: _Socket) -> Stream:
    head = Head(url="u", start=0, partial=False, size=100 * _MIB, validator="", content_type="")
    return Stream(head, socket, lambda error: RuntimeError(str(error)), socket.pause)


def test_all_that_is_there_comes_in_one_go_without_a_pause() -> None:
    """TLS yields 16 KiB at a time: a pause after each would hold a connection to 2 MB/s."""
    socket = _Socket(*[0.0] * 200)
    stream = _stream(socket)
    assert len(stream.read(_MIB)) == _MIB
    assert socket.pauses == []


def test_a_read_that_had_to_wait_lets_bytes_gather() -> None:
    socket = _Socket(0.0, 0.0, 0.5, 0.0)
    assert len(_stream(socket).read(_MIB)) == 3 * len(_RECORD)
    assert len(socket.pauses) == 1


def test_what_came_before_a_break_is_yielded_first() -> None:
    stream = _stream(_Socket(0.0, ends=OSError("broken")))
    assert stream.read(_MIB) == _RECORD
    with pytest.raises(RuntimeError, match=r"^broken$"):
        stream.read(_MIB)


def test_the_end_is_told_once_all_has_come() -> None:
    stream = _stream(_Socket(0.0))
    assert stream.read(_MIB) == _RECORD
    assert stream.read(_MIB) == b""
