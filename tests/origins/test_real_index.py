from __future__ import annotations

import pytest

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, IndexPin, NoFileForTargetError
from ascend_wheelhouse.store.store import Store

pytest_plugins = ["fetch_fixtures"]
pytestmark = pytest.mark.network


def test_pins_are_found_for_the_target_and_fetched_from_a_lock_alone(store: Store) -> None:
    """The configured index, with what a lock keeps: name, file name, digest and size."""
    http = Http()
    pins = [IndexPin(name="idna", version="3.10"), IndexPin(name="markupsafe", version="3.0.2")]
    found = Finder(http).find_all(pins, Target(machine="aarch64"))
    assert [file.filename for file in found] == [
        "idna-3.10-py3-none-any.whl",
        "MarkupSafe-3.0.2-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
    ]
    locked = [Download.of(file.artifact, name=file.name) for file in found]
    finder = Finder(http)
    fetched = fetch_all(
        locked,
        store,
        http=http,
        locate=lambda wanted: finder.where(wanted.name, wanted.filename, str(wanted.sha256)),
    )
    assert [store.size_of(each.sha256) for each in fetched] == [file.size for file in found]
    http.close()


def test_a_torch_without_a_wheel_for_the_target_tells_those_with_one() -> None:
    http = Http()
    with pytest.raises(NoFileForTargetError, match=r"^torch 1\.13\.1 has no wheel") as caught:
        Finder(http).find_file("torch", "1.13.1", Target(machine="aarch64", python=(3, 12)))
    assert "2.8.0" in caught.value.why
    http.close()
