"""One member of a zip archive is read as the standard library reads it, and what is damaged is refused."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from pathlib import Path

import pytest

from ascend_wheelhouse.base.archives import ZipArchive

NAME = "größe.txt"
MIXED = hashlib.shake_256(b"mixed").digest(70_000) + bytes(900_000) + b"end"


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytearray:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        archive.writestr(NAME, data)
    return bytearray(held.getvalue())


def read(archive: bytes | bytearray, size: int = 1 << 20) -> list[bytes]:
    with ZipArchive(io.BytesIO(archive)) as opened:
        return list(opened.pieces(opened.infolist()[0], size))


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
@pytest.mark.parametrize("data", [b"", b"a", bytes(300_000), MIXED], ids=["empty", "one", "zeros", "mixed"])
@pytest.mark.parametrize("size", [1 << 12, 1 << 16, 1 << 20])
def test_a_member_is_read_whole_in_pieces_of_the_size_asked_for(data: bytes, method: int, size: int) -> None:
    pieces = read(zipped(data, method), size)
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= size for piece in pieces)


def test_a_file_that_gives_few_bytes_at_a_time_is_read_whole() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size if size is None or size < 4096 else size // 2)

    with ZipArchive(Slow(zipped(MIXED))) as opened:
        assert b"".join(opened.pieces(opened.infolist()[0])) == MIXED


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_damaged_byte_of_the_data_is_noticed(method: int) -> None:
    whole = zipped(MIXED[69_000:72_000], method)
    start = 30 + len(NAME.encode())
    end = whole.index(b"PK\1\2")
    unnoticed = []
    for place in range(start, end):
        spoiled = whole.copy()
        spoiled[place] ^= 0x10
        try:
            read(spoiled)
        except (zipfile.BadZipFile, EOFError):
            continue
        unnoticed.append(place - start)
    assert unnoticed in ([], [end - start - 1])  # the last byte may be padding of the last block


def test_a_member_that_is_longer_than_its_directory_says_is_given_up_before_it_swells() -> None:
    archive = zipped(bytes(50 << 20))
    directory = archive.index(b"PK\1\2")
    struct.pack_into("<I", archive, directory + 24, 10)
    given: list[int] = []
    with ZipArchive(io.BytesIO(archive)) as opened, pytest.raises(zipfile.BadZipFile):
        given.extend(len(piece) for piece in opened.pieces(opened.infolist()[0], 1 << 16))
    assert given == []


def test_a_member_that_states_few_bytes_and_holds_many_is_not_read_at_once() -> None:
    asked: list[int] = []

    class Heard(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size or 0)
            return super().read(size)

    archive = zipped(bytes(8 << 20), zipfile.ZIP_STORED)
    struct.pack_into("<I", archive, archive.index(b"PK\1\2") + 24, 10)
    with ZipArchive(Heard(archive)) as opened, pytest.raises(zipfile.BadZipFile):
        list(opened.pieces(opened.infolist()[0], 1 << 16))
    assert max(asked) < 1 << 20


@pytest.mark.parametrize(
    ("place", "byte", "said"),
    [(0, 0, "magic number"), (30, ord("q"), "File name in directory")],
    ids=["signature", "name"],
)
def test_a_header_that_the_directory_does_not_describe_is_refused(place: int, byte: int, said: str) -> None:
    archive = zipped(b"data")
    archive[place] = byte
    with pytest.raises(zipfile.BadZipFile, match=said):
        read(archive)


def test_an_encrypted_member_is_refused() -> None:
    archive = zipped(b"data")
    archive[archive.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(RuntimeError, match="encrypted"):
        read(archive)


def test_data_that_end_too_soon_are_refused() -> None:
    archive = zipped(MIXED)
    directory = archive.index(b"PK\1\2")
    packed = struct.unpack_from("<I", archive, directory + 20)[0]
    struct.pack_into("<I", archive, directory + 20, packed - 100)
    with pytest.raises(EOFError):
        read(archive)


def test_an_offset_before_the_start_of_a_file_is_a_fault_of_the_archive(tmp_path: Path) -> None:
    """The system calls it an invalid argument, which was told as trouble with the file."""
    data = zipped(b"x" * 99)
    at = data.rfind(b"PK\5\6") + 16
    struct.pack_into("<L", data, at, struct.unpack_from("<L", data, at)[0] + 50)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(KeyError, match="Invalid argument"), ZipArchive.opened(path, KeyError) as opened:
        list(opened.pieces(opened.infolist()[0]))
