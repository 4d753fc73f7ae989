from __future__ import annotations

import io
from pathlib import Path

from sdists import recipe, where

from ascend_wheelhouse.folder import assemble, carried
from ascend_wheelhouse.locks.lock import Lock, LockedSource
from ascend_wheelhouse.store.store import Store


def test_two_sources_of_one_name_lie_side_by_side(tmp_path: Path) -> None:
    """Archives of two repositories may both be called after their tag."""
    store = Store(tmp_path / "store")
    sources = []
    for component in ("one", "two"):
        archive = store.artifact("v1.0.tar.gz", store.add(io.BytesIO(component.encode())))
        sources.append(LockedSource(component=component, version="1.0", origin="sdist", archive=archive))
    lock = Lock(
        stack="s",
        platform="x86_64",
        cell={},
        derived=False,
        recipes_digest="",
        wheels=(),
        sources=(*sources, sources[0]),
    )
    entries = carried.entries(lock, where(), {"one": recipe(), "two": recipe()}, store)
    assemble.place(store, tmp_path / "made", entries)
    held = {path.name: path.read_text() for path in (tmp_path / "made/sources").iterdir()}
    assert held == {"v1.0.tar.gz": "one", f"{entries[1].sha256[:12]}-v1.0.tar.gz": "two"}
