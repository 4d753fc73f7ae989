"""A delta never takes the place of its base, by whatever name that is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundle_fixtures import FILES, TORCH, write_wheelhouse

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.bundle.parts import BaseInPlaceError


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The folder of a newer wheelhouse."""
    return write_wheelhouse(tmp_path / "new", {**FILES, TORCH: b"newer torch" * 9999})


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("split", [None, 1 << 16])
@pytest.mark.parametrize("base", ["stick/b.tar", "stick/../stick/b.tar", "link.tar", "linked/b.tar"])
def test_a_delta_is_not_written_over_its_base(
    tmp_path: Path, newer: Path, base: str, split: int | None
) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "link.tar").symlink_to("stick/b.tar")
    (tmp_path / "linked").symlink_to("stick")
    out = tmp_path / "stick/b.tar"
    bundle_command(write_wheelhouse(tmp_path / "old"), out=out, serial=1)
    before = _bytes(out.parent)
    with pytest.raises(BaseInPlaceError, match="is the base of the delta") as told:
        bundle_command(newer, out=out, serial=2, base=tmp_path / base, split=split)
    assert f"--out {tmp_path}/stick/b.delta.tar" in told.value.next_step
    assert _bytes(out.parent) == before
    beside = bundle_command(newer, out=out.with_name("b.delta.tar"), serial=2, base=tmp_path / base)
    assert beside.carried < beside.files


@pytest.mark.parametrize("named", ["b.tar", "b.tar.001", "b.tar.002"])
def test_a_delta_is_not_written_over_the_parts_of_its_base(tmp_path: Path, newer: Path, named: str) -> None:
    (tmp_path / "stick").mkdir()
    old = write_wheelhouse(tmp_path / "old", {**FILES, TORCH: b"torch" * 30_000})
    bundle_command(old, out=tmp_path / "stick/b.tar", serial=1, split=1 << 16)
    before = _bytes(tmp_path / "stick")
    assert len([name for name in before if name.startswith("b.tar.")]) > 1
    with pytest.raises(BaseInPlaceError):
        bundle_command(newer, out=tmp_path / "stick/b.tar", serial=2, base=tmp_path / "stick" / named)
    assert _bytes(tmp_path / "stick") == before


def test_a_delta_may_take_the_place_of_another_bundle(tmp_path: Path, newer: Path) -> None:
    old, out = write_wheelhouse(tmp_path / "old"), tmp_path / "d.tar"
    bundle_command(old, out=out, serial=1)
    made = bundle_command(newer, out=out, serial=2, base=old / "manifest.json")
    assert made.paths == (out,)
