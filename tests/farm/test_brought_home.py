"""What a build's answer leaves in the master's store, where all went well and where it did not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.farm import building
from ascend_wheelhouse.farm.building import BuildStep
from ascend_wheelhouse.farm.errors import CarryError, OddAnswerError
from ascend_wheelhouse.farm.order import BuildAnswer, BuildOrder
from ascend_wheelhouse.store.store import Store

CONTENTS = (b"first", b"second")
_CELL = SimpleNamespace(cann="8.5.0", target=SimpleNamespace(machine="aarch64"))


def _wheel(number: int, **changes: Any) -> BuiltWheel:  # noqa: ANN401 - fields of a wheel
    content = CONTENTS[number]
    artifact = Artifact(
        filename=f"w{number}-1-py3-none-any.whl",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return replace(BuiltWheel(component="kernels", artifact=artifact, key="0123"), **changes)


def _step(store: Store) -> BuildStep:
    dispatch = SimpleNamespace(order=SimpleNamespace(recipe=SimpleNamespace(name="kernels")))
    return BuildStep(dispatch=cast("Any", dispatch), store=store)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A master's store; the worker has the first wheel, and the second until it is gone."""
    found = Store(tmp_path / "store")

    def bring(_client: object, worker: str, into: Store, sha256: str, _size: int) -> None:
        content = next(one for one in CONTENTS if hashlib.sha256(one).hexdigest() == sha256)
        if worker == "leaves" and content == CONTENTS[1]:
            raise CarryError("a file", worker, "it is gone")
        (tmp_path / "file").write_bytes(content)
        into.add(tmp_path / "file")

    monkeypatch.setattr(building, "bring", bring)
    return found


def _answer(worker: str, *wheels: BuiltWheel) -> BuildAnswer:
    return BuildAnswer(worker=worker, name=f"host of {worker}", wheels=wheels)


def test_a_build_is_known_once_all_of_its_wheels_are_there(store: Store) -> None:
    home = _step(store).home(cast("Any", None), _answer("stays", _wheel(0), _wheel(1)))
    assert isinstance(home, list)
    record = store.result("build-0123")
    assert record is not None
    assert [one["filename"] for one in record["wheels"]] == [one.filename for one in home]
    assert all(store.has(one.sha256, one.size) for one in home)


def test_a_worker_that_leaves_between_two_wheels_leaves_no_half_of_a_build(store: Store) -> None:
    with pytest.raises(CarryError):
        _step(store).home(cast("Any", None), _answer("leaves", _wheel(0), _wheel(1)))
    assert store.result("build-0123") is None


@pytest.mark.parametrize(
    "odd",
    [
        {"component": "two\nlines"},
        {"artifact": SimpleNamespace(filename="../../etc/passwd", size=5, sha256="0" * 64)},
        {"artifact": SimpleNamespace(filename="a.whl", size=-1, sha256="0" * 64)},
        {"artifact": SimpleNamespace(filename="a.whl", size=5, sha256="x")},
        {"toolchain": {"gcc": 13}},
    ],
    ids=["a name of two lines", "a path", "a size below 0", "no digest", "a toolchain of numbers"],
)
def test_an_answer_that_is_no_record_of_a_build_leaves_nothing(store: Store, odd: dict[str, Any]) -> None:
    with pytest.raises(
        OddAnswerError, match=r"host of stays answers the build of kernels with what cannot be"
    ):
        _step(store).home(cast("Any", None), _answer("stays", _wheel(0, **odd)))
    assert store.result("build-0123") is None
    assert list(store.blobs()) == []


@pytest.mark.parametrize("old", [None, "0" * 64], ids=["unknown", "pruned"])
def test_a_worker_takes_the_bundle_that_came_for_one_that_it_no_longer_has(
    store: Store, old: str | None
) -> None:
    """A record of a bundle that was pruned there hid the one that the master had sent."""
    if old:
        store.put_result("git-c0ffee", {"bundle": old})
    sent = store.add(BytesIO(b"a bundle"))
    order = SimpleNamespace(commits={"c0ffee": sent}, cell=_CELL, cann=None)
    BuildOrder.put_records(cast("Any", order), store)
    assert store.result("git-c0ffee") == {"bundle": sent}
