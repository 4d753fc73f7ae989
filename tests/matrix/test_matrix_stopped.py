"""A matrix that is stopped: what its stopping broke is no fault of the tool."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.matrix import make_cell as making
from ascend_wheelhouse.matrix import verify_cell
from ascend_wheelhouse.matrix.orders import CellEnd

_ORDER = cast("Any", SimpleNamespace(words="", verify="here", bundle=None))
_TOOLS = cast("Any", SimpleNamespace(line=SimpleNamespace(farm=None), store=None))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which tracebacks are kept."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for module, name in ((making, "_made"), (verify_cell, "verify_cell")):
        monkeypatch.setattr(module, name, _killed)
    return tmp_path


@pytest.fixture
def stopped() -> Iterator[None]:
    process.stop_all()
    yield
    process.resume()


def _killed(*_words: object) -> None:
    raise process.CommandFailedError(process.Finished(args=("python",), status=-9, stdout="", stderr=""))


@pytest.mark.usefixtures("stopped")
def test_a_command_that_ctrl_c_ended_is_kept_as_no_fault_of_a_cell(kept: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        making.make_cell(_ORDER, _TOOLS)
    assert [*kept.iterdir()] == []


@pytest.mark.usefixtures("stopped")
def test_a_command_that_ctrl_c_ended_is_kept_as_no_fault_of_a_verification(kept: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        making._verified(CellEnd(order=_ORDER, folder=kept), _TOOLS, silent)  # noqa: SLF001 - one of its steps
    assert [*kept.iterdir()] == []


def test_a_command_that_failed_otherwise_is_kept(kept: Path) -> None:
    end = making.make_cell(_ORDER, _TOOLS)
    assert end.error
    assert end.error["error"] == "UnexpectedError"
    assert len([*kept.iterdir()]) == 1
