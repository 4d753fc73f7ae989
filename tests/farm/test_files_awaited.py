"""Files that a step waits for on its worker."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ascend_wheelhouse.base.process import Leash
from ascend_wheelhouse.farm.carrying import IncomingFiles
from ascend_wheelhouse.farm.running import HandedBackError, Running, _await_files
from ascend_wheelhouse.store.store import Store

CONTENT = b"source"


class Asked:
    """A worker whose master answers at once: it sends the file, or tells why that cannot be taken."""

    def __init__(self, arrivals: IncomingFiles, store: Store, trouble: str = "") -> None:
        self.arrivals, self.store, self.trouble = arrivals, store, trouble
        self.address = "tcp://anna"

    def log_event(self, _topic: str, message: dict[str, Any]) -> None:
        """Take the request."""
        (sha256,) = message["fields"]["files"]
        if self.trouble:
            self.arrivals.trouble[sha256] = self.trouble
        else:
            self.store.add(BytesIO(CONTENT))


def _running(tmp_path: Path, trouble: str = "") -> Running:
    """Return a step whose file lacks; that of an earlier step found the disk full."""
    sha256, store = Store(tmp_path / "master").add(BytesIO(CONTENT)), Store(tmp_path / "worker")
    arrivals = IncomingFiles(store)
    arrivals.trouble[sha256] = "The disk is full."
    order = SimpleNamespace(files={sha256: len(CONTENT)}, topic="build")
    plugin, worker = SimpleNamespace(arrivals=arrivals, store=store), Asked(arrivals, store, trouble)
    return Running(order=order, plugin=cast("Any", plugin), worker=cast("Any", worker), leash=Leash())


def test_what_kept_a_file_from_an_earlier_step_is_not_told_of_a_later_one(tmp_path: Path) -> None:
    running = _running(tmp_path)
    _await_files(running)
    assert running.plugin.arrivals.trouble == {}


def test_what_keeps_a_file_from_a_step_hands_it_back(tmp_path: Path) -> None:
    with pytest.raises(HandedBackError, match="no quota"):
        _await_files(_running(tmp_path, "no quota"))
