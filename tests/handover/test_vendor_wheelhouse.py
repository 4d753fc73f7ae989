"""A carried wheelhouse is read as a whole, also where the store has its files already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_fixtures import FILES, write_wheelhouse

from ascend_wheelhouse.handover.vendor_wheelhouse import CarriedFileError, vendor_wheelhouse
from ascend_wheelhouse.store.store import Store

WHEEL = next(path for path in FILES if path.startswith("wheels/"))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("spoil", [Path.unlink, cut_short])
@pytest.mark.parametrize("known", ["nothing", "everything"])
def test_a_file_that_is_missing_or_damaged_is_told_whatever_the_store_has(
    tmp_path: Path, spoil: Callable[[Path], None], known: str
) -> None:
    folder, store = write_wheelhouse(tmp_path / "carried"), Store(tmp_path / "store")
    for path in FILES if known == "everything" else ():
        store.add(folder / path)
    before = list(store.blobs())
    spoil(folder / WHEEL)
    with pytest.raises(CarriedFileError, match=WHEEL):
        vendor_wheelhouse(folder, root=tmp_path, store=store)
    assert known == "nothing" or list(store.blobs()) == before


@pytest.mark.parametrize("spoil", [Path.unlink, cut_short])
@pytest.mark.parametrize("name", ["pylock.aarch64.toml", "requirements.aarch64.txt"])
def test_a_lock_that_is_missing_or_damaged_does_not_get_into_the_project(
    tmp_path: Path, spoil: Callable[[Path], None], name: str
) -> None:
    locks = dict.fromkeys(("pylock.aarch64.toml", "requirements.aarch64.txt"), b"of a lock\n")
    folder = write_wheelhouse(tmp_path / "carried", {**FILES, **locks})
    spoil(folder / name)
    with pytest.raises(CarriedFileError, match=name):
        vendor_wheelhouse(folder, root=tmp_path, store=Store(tmp_path / "store"))
    assert not list(tmp_path.glob("lockfiles/*/*"))
