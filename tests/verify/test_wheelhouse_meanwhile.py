"""A wheelhouse that another run makes anew while it is verified: no report mixes the two."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from environments import tiny_wheelhouse

from ascend_wheelhouse.base import occupied
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.verify import found, prepare
from ascend_wheelhouse.verify.program import main

PACKAGES = {"alpha": {"alpha.py": "VALUE = 1\n"}}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A wheelhouse of one wheel."""
    return tiny_wheelhouse(tmp_path / "wheelhouse", PACKAGES, platform.machine())


def _made_anew(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "notes": ["another"]}))


def _gone(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


@pytest.mark.parametrize("change", [_made_anew, _gone])
def test_no_report_is_written_of_two_wheelhouses(
    small: Path,
    tmp_path: Path,
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(prepare, "require_writable", lambda _place: change(small))
    reports = tmp_path / "reports"
    assert main(["--wheelhouse", str(small), "--report", str(reports)]) == 10
    assert f"{small} was made anew, or removed, since this verification began." in capfd.readouterr().err
    assert list(reports.glob("*")) == []


def test_who_makes_it_anew_waits_while_its_files_are_read(small: Path) -> None:
    done = threading.Event()
    waiting = threading.Event()

    def make_anew() -> None:
        with occupied.writing(small, lambda _: waiting.set()):
            _made_anew(small)
        done.set()

    with occupied.writing(small):  # so that its lock is there, as of every wheelhouse that was made
        pass
    wheelhouse = found.find(small, small.parent)
    with wheelhouse.held(silent):
        other = threading.Thread(target=make_anew)
        other.start()
        assert waiting.wait(60)
        assert not done.is_set()
    other.join(60)
    assert done.is_set()
    with pytest.raises(found.WheelhouseReplacedError), wheelhouse.held(silent):
        pass
