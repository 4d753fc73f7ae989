"""A shared object that a failing disk or a half copy damaged: it is told as that, whatever it says of itself."""

from __future__ import annotations

import _ctypes
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from ascend_wheelhouse.node.host import software
from ascend_wheelhouse.node.host.symbols import NotElfError, read_object

_TABLE_AT, _COUNT_AT, _ENTRY = 40, 60, 64
HUGE = (1 << 63, (1 << 64) - 8)


@pytest.fixture
def image() -> bytearray:
    """A whole shared object of this machine."""
    return bytearray(Path(_ctypes.__file__).read_bytes())


def _sections(image: bytearray) -> list[int]:
    """Return where each section is described."""
    (table,) = struct.unpack_from("<Q", image, _TABLE_AT)
    (count,) = struct.unpack_from("<H", image, _COUNT_AT)
    return [table + number * _ENTRY for number in range(count)]


@pytest.mark.parametrize("value", HUGE)
def test_a_place_that_no_file_has_is_told_as_damage(image: bytearray, tmp_path: Path, value: int) -> None:
    path = tmp_path / "libascendcl.so"
    for place in [_TABLE_AT, *(at + field for at in _sections(image) for field in (24, 32))]:
        damaged = bytearray(image)
        struct.pack_into("<Q", damaged, place, value)
        path.write_bytes(damaged)
        with suppress(NotElfError):
            read_object(path)
        assert not software.marked(path)
