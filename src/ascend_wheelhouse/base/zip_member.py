"""Reading one member of a zip archive from anywhere, inflated by ISA-L, which takes half of zlib's processor time.

What the standard library's reader checks is checked here, too.

Source: APPNOTE.TXT 6.3 of the zip format (4.3.7 local file header, 4.4.4 general purpose bits).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from isal import isal_zlib

_HEADER = struct.Struct("<4s2xH18xHH")
_SIGNATURE = b"PK\3\4"
_UTF_8 = 0x800
_BEYOND_US = 0x1 | 0x20 | 0x40
"""Encrypted, patched, strongly encrypted: the standard library says which."""
_PACKED = 1 << 18
_EXTRA = 64
"""Bytes of extra fields before a member that are read with it; more are rare."""
_RAW_DEFLATE = -15
_DAMAGED = cast("type[Exception]", isal_zlib.error)
"""Its stubs call the class an exception."""


def pieces(archive: ZipFile, info: ZipInfo, size: int) -> Iterator[bytes]:
    """Yield a member's bytes in pieces of at most `size` bytes, its checksum proven before the last one is asked for.

    Raises:
        BadZipFile: Its header is not the one that the directory describes; it is cut short, longer than stated, or
            has another checksum.
        OSError: The file cannot be read.
    """
    if info.flag_bits & _BEYOND_US or info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        yield from _by_standard_library(archive, info, size)
        return
    source = archive.fp
    if source is None:
        raise ValueError("the archive is closed")
    short = 0 < info.file_size <= size and info.compress_size <= size + _PACKED  # either may be a lie
    if short and (whole := _at_once(source, info)):
        yield whole
        return
    _to_data(source, info)
    made = _stored if info.compress_type == ZIP_STORED else _inflated
    checksum, left = 0, info.file_size
    for piece in made(source, info, size):
        left -= len(piece)
        checksum = isal_zlib.crc32(piece, checksum)
        if left < 0 or (not left and checksum != info.CRC):
            break
        yield piece
    if left or checksum != info.CRC:
        raise BadZipFile(f"Bad CRC-32 for file {info.filename!r}")


def _by_standard_library(archive: ZipFile, info: ZipInfo, size: int) -> Iterator[bytes]:
    with archive.open(info) as stream:
        while piece := stream.read(size):
            yield piece


def _at_once(source: IO[bytes], info: ZipInfo) -> bytes | None:
    """Return a short member by one reading and one inflating, or None where anything is not as it should be."""
    source.seek(info.header_offset)
    name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF_8 else "cp437")
    data = source.read(_HEADER.size + len(name) + _EXTRA + info.compress_size)
    if len(data) < _HEADER.size:
        return None
    signature, flags, name_length, extra_length = _HEADER.unpack_from(data)
    start = _HEADER.size + name_length
    named = signature == _SIGNATURE and data[_HEADER.size : start] == name
    packed = data[start + extra_length : start + extra_length + info.compress_size]
    if not named or (flags ^ info.flag_bits) & _UTF_8 or len(packed) < info.compress_size:
        return None
    if info.compress_type == ZIP_DEFLATED:
        stream = isal_zlib.decompressobj(wbits=_RAW_DEFLATE)
        try:
            packed = stream.decompress(packed, max_length=info.file_size + 1)
        except _DAMAGED:
            return None
        if not stream.eof:
            return None
    return packed if len(packed) == info.file_size and isal_zlib.crc32(packed) == info.CRC else None


def _to_data(source: IO[bytes], info: ZipInfo) -> None:
    source.seek(info.header_offset)
    signature, flags, name_length, extra_length = _HEADER.unpack(_exactly(source, _HEADER.size))
    if signature != _SIGNATURE:
        raise BadZipFile(f"Bad magic number for file header of {info.filename!r}")
    name = _exactly(source, name_length)
    if name.decode("utf-8" if flags & _UTF_8 else "cp437") != info.orig_filename:
        raise BadZipFile(f"File name in directory {info.orig_filename!r} and header {name!r} differ.")
    if extra_length:
        source.seek(info.header_offset + _HEADER.size + name_length + extra_length)


def _exactly(source: IO[bytes], count: int) -> bytes:
    data = source.read(count)
    while len(data) < count:
        more = source.read(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _stored(source: IO[bytes], info: ZipInfo, size: int) -> Iterator[bytes]:
    for start in range(0, info.compress_size, size):
        yield _exactly(source, min(size, info.compress_size - start))


def _inflated(source: IO[bytes], info: ZipInfo, size: int) -> Iterator[bytes]:
    """Yield what a deflated member holds; one that is damaged raises `BadZipFile`."""
    stream = isal_zlib.decompressobj(wbits=_RAW_DEFLATE)
    unread = info.compress_size
    packed = b""
    try:
        while not stream.eof:
            if not packed:
                packed = _exactly(source, min(_PACKED, unread))
                unread -= len(packed)
            piece = stream.decompress(packed, max_length=size)
            if piece:
                yield piece
            elif len(stream.unconsumed_tail) == len(packed) and not unread:
                raise EOFError
            packed = stream.unconsumed_tail
    except _DAMAGED as error:
        raise BadZipFile(f"{info.filename!r} is damaged: {error}") from error
