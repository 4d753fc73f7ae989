"""A look at the configured index for committed locks: what it lists changes daily, old releases stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.watch.held import WatchChoice, watched
from ascend_wheelhouse.watch.watch import Watch

ROOT = Path(__file__).parents[2]


@pytest.mark.network
def test_the_committed_locks_of_one_stack_can_be_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = ProjectFolder.load(ROOT)
    choice = WatchChoice(stack="torch2.6.0-cann8.3.rc2", npu="a3")
    store = Store(tmp_path / "store")
    seen = Watch(folder=folder, watched=watched(folder, choice), http=Http(), store=store).look()
    found = {one.component: one for one in seen.findings if one.kind == "new" and one.of == "component"}
    newer = found["torch-npu"]
    assert (newer.before, newer.after) == ("2.6.0.post3", "2.6.0.post5")
    assert newer.published.startswith("2026-01-19T")
    assert "stated to run on CANN 8.3.RC2" in newer.text
    assert not any(one.kind == "vanished" for one in seen.findings)
    assert seen.dated
