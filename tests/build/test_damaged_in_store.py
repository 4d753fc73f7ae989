"""Files of the store that were damaged there at the same size: found, told as that, and made or fetched again."""

from __future__ import annotations

from pathlib import Path

import pytest
from making_builds import Bench
from sdists import PUBLISHED, built, outcome, recipe, sdist, sources, where
from small_wheels import wheel as small_wheel

from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import DamagedBlobError


def damage(store: Store, sha256: str) -> None:
    """Change a file of a store as a disk does that fails, or who may write there."""
    path = store.path(sha256)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_wheel_that_was_damaged_is_built_again(tmp_path: Path) -> None:
    """The damaged one was given out, under the digest of the whole one."""
    archive = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    first = built(Bench(root=tmp_path / "store"), archive)
    store = Store(tmp_path / "store")
    whole = store.path(first.sha256).read_bytes()
    damage(store, first.sha256)
    again = built(Bench(root=tmp_path / "store"), archive)
    assert (again.sha256, again.cached) == (first.sha256, False)
    assert store.path(first.sha256).read_bytes() == whole


def test_a_wheel_of_the_environment_that_was_damaged_is_told_as_that(tmp_path: Path) -> None:
    """The lock was said to be of wheels that do not fit this host."""
    bench = Bench(root=tmp_path / "store")
    helper = small_wheel(tmp_path, {"helper.py": b"ANSWER = 42\n"}, name="helper", version="2.0")
    archive = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    starts = sources(bench, archive, [helper])
    damage(bench.store, starts.environment[0].sha256)
    with pytest.raises(DamagedBlobError, match="was damaged"):
        outcome(bench, recipe(), starts, where())
    assert not bench.store.has(starts.environment[0].sha256)
