"""The record of an imported file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from flushed import Flushed

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord, put_record


def test_a_record_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = Flushed(monkeypatch)
    artifact = Artifact(filename="toolkit.run", size=1, sha256=hashlib.sha256(b"x").hexdigest())
    facts = NameFacts(version="8.3.RC2", machine="aarch64")
    record = VendoredRecord(
        component="cann-toolkit", artifact=artifact, kind="payload", facts=facts, origin="toolkit.run"
    )
    put_record(Store(tmp_path), record)
    (place,) = tmp_path.glob("vendored/cann-toolkit/*.json")
    assert flushed.holds(place)
