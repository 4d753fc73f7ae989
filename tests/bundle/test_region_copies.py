from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from ascend_wheelhouse.node.reading.sources import BundleDamagedError, PartedFile, Region

BYTES = bytes(range(256)) * 4096


@pytest.fixture
def parts(tmp_path: Path) -> PartedFile:
    """Three parts of which the middle one is the smallest."""
    ends = (0, 400_000, 400_010, len(BYTES))
    paths = [tmp_path / f"b.tar.{number:03d}" for number in (1, 2, 3)]
    for path, start, end in zip(paths, ends, ends[1:], strict=False):
        path.write_bytes(BYTES[start:end])
    return PartedFile(paths)


@pytest.mark.parametrize("mode", ["wb", "ab"], ids=["by the kernel", "where the kernel refuses to"])
@pytest.mark.parametrize(
    ("start", "end"), [(0, len(BYTES)), (399_999, 400_011), (400_000, 400_010), (7, 7), (500_000, 900_001)]
)
def test_a_stretch_over_parts_is_copied_whole(
    parts: PartedFile, tmp_path: Path, mode: Literal["wb", "ab"], start: int, end: int
) -> None:
    target = tmp_path / "copy"
    with target.open(mode) as stream:
        Region(parts, start, end - start).copy_to(stream)
    assert target.read_bytes() == BYTES[start:end]


@pytest.mark.parametrize(("mode", "copied"), [("wb", len(BYTES)), ("ab", 0)])
def test_it_is_known_how_much_the_kernel_copied(
    parts: PartedFile, tmp_path: Path, mode: Literal["wb", "ab"], copied: int
) -> None:
    with (tmp_path / "copy").open(mode) as stream:
        assert parts.send(stream.fileno(), 0, len(BYTES)) == copied


def test_a_part_that_became_a_link_is_told_and_not_followed(parts: PartedFile, tmp_path: Path) -> None:
    parts.paths[1].rename(tmp_path / "elsewhere")
    parts.paths[1].symlink_to(tmp_path / "elsewhere")
    with (
        (tmp_path / "copy").open("wb") as stream,
        pytest.raises(BundleDamagedError, match=r"b\.tar\.002 cannot be read"),
    ):
        Region(parts, 0, len(BYTES)).copy_to(stream)
