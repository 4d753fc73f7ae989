"""Workers of one run that are stopped while they start."""

from __future__ import annotations

import distributed
import pytest
from distributed import SpecCluster

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.clusters import start


class HalfStarted:
    """A cluster of Dask that Ctrl-C stops while it starts; Dask closes it at the end of the process, in vain."""

    made: list[HalfStarted] = []  # noqa: RUF012 - one test's

    def __init__(self, **_options: object) -> None:
        self.shutdown_on_close = True
        self.made.append(self)
        SpecCluster._instances.add(self)  # type: ignore[arg-type]  # noqa: SLF001 - as its constructor does
        raise KeyboardInterrupt


def test_dask_does_not_close_what_was_stopped_while_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "LocalCluster", HalfStarted)
    with pytest.raises(KeyboardInterrupt):
        start(FarmChoice(workers="local", count=1), silent)
    (half,) = HalfStarted.made
    assert not half.shutdown_on_close
    SpecCluster._instances.discard(half)  # type: ignore[arg-type]  # noqa: SLF001 - as above
