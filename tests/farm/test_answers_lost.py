"""What a worker made and cannot hand over any more: it is made again, and a fault that stays is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.farm import submitted
from ascend_wheelhouse.farm.carrying import bring
from ascend_wheelhouse.farm.errors import CarryError
from ascend_wheelhouse.farm.order import BuildAnswer
from ascend_wheelhouse.farm.submitted import Submitted
from ascend_wheelhouse.store.store import Store

CONTENT = b"wheel"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
_ANSWER = BuildAnswer(worker="tcp://gone", name="anna")


class Answering:
    """A future whose first answers do not come: their worker was gone."""

    def __init__(self, late: int) -> None:
        self.late = late

    def add_done_callback(self, tell: Callable[[object], None]) -> None:
        """Tell at once."""
        tell(self)

    def done(self) -> bool:
        """Tell that there is an answer."""
        return True

    def result(self, timeout: float) -> BuildAnswer:
        """Return the answer."""
        self.late -= 1
        if self.late >= 0:
            raise TimeoutError(timeout)
        return _ANSWER

    def release(self) -> None:
        """Do nothing."""


def _step(
    future: Answering, home: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> Submitted[Any, Any]:
    def restored(_client: object) -> None:
        pytest.fail("the connection that all builds share is closed")

    link = SimpleNamespace(client=SimpleNamespace(status="running"), restore=restored)
    step = SimpleNamespace(name="kernels", home=home)
    monkeypatch.setattr(submitted.Submitted, "_submit", lambda _self, _client: future)
    return Submitted(cast("Any", link), cast("Any", step), silent)


def test_a_worker_that_dies_with_its_answer_costs_no_other_build_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = _step(Answering(2), lambda _client, answer: answer, monkeypatch)
    assert step.outcome() is _ANSWER


def test_a_wheel_that_never_comes_home_is_told_and_not_asked_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def home(_client: object, answer: BuildAnswer) -> None:
        asked.append(answer)
        assert len(asked) < 10, "without end"
        raise CarryError("a wheel", answer.worker, "permission denied")

    with pytest.raises(CarryError, match="permission denied"):
        _step(Answering(0), home, monkeypatch).outcome()
    assert len(asked) == 3


def _client(found: Callable[[], bytes]) -> Any:  # noqa: ANN401 - stands for Dask's
    return SimpleNamespace(run=lambda *_words, workers, **_options: {workers[0]: found()})


def test_a_file_that_is_shorter_on_its_worker_is_told(tmp_path: Path) -> None:
    pieces = iter([CONTENT[:2], b"", b""])
    with pytest.raises(CarryError, match="ends after 2 of 5 bytes"):
        bring(_client(lambda: next(pieces)), "tcp://w", Store(tmp_path / "s"), SHA256, len(CONTENT))


def test_what_this_host_refuses_is_not_told_of_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_words: object) -> None:
        raise PermissionError(13, "Permission denied", "blobs")

    monkeypatch.setattr(Store, "adopt", refuses)
    with pytest.raises(PermissionError):
        bring(_client(lambda: CONTENT), "tcp://w", Store(tmp_path / "s"), SHA256, len(CONTENT))
