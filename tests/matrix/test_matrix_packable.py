"""What every bundle of a matrix needs is looked at before the first wheelhouse is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from index_server import serving
from small_world import found

WITHOUT_KEY = ("--serial", "7", "--sign-key", "absent")


@pytest.mark.parametrize(
    ("words", "told"),
    [(WITHOUT_KEY, "The signing key"), ((), "The bundle has no serial.")],
    ids=["key", "serial"],
)
def test_a_run_that_cannot_pack_what_it_makes_does_not_begin(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """Every cell was fetched, built and audited, and failed at its bundle."""
    with serving() as index:
        world = found(tmp_path, index)
        done = world.invoke("matrix", "--resolver", "uv", "--npu", "a3", "--npu", "910b", "--bundle", *words)
        assert done.status == 2, done.err + done.out
        assert told in done.err
        assert not (tmp_path / "wheelhouse").exists()
        assert not index.asked
