"""What a shared object wants and offers, read with the standard library alone.

Only 64-bit little-endian ELF is read: every wheel of the stack is that. Section headers are used, because
manylinux wheels keep `.dynsym` and its version tables there even when stripped. Source: System V ABI,
chapters 4 and 5, and the GNU symbol versioning extension.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MACHINES = {62: "x86_64", 183: "aarch64"}

_SHT_DYNAMIC, _SHT_DYNSYM = 6, 11
_SHT_VERNEED, _SHT_VERSYM = 0x6FFFFFFE, 0x6FFFFFFF
_DT_NEEDED, _DT_SONAME = 1, 14
_STB_WEAK = 2


class NotElfError(ValueError):
    """The file is no 64-bit little-endian ELF object."""


class _Section(NamedTuple):
    kind: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, kw_only=True)
class SharedObject:
    """The dynamic facts of one object.

    Args:
        machine: `aarch64`, `x86_64` or the ELF number of another.
        soname: Its own name, or empty.
        needed: The sonames that it names.
        defined: Symbols that it offers.
        wanted: Strong undefined symbols with no version requirement (those with one belong to the system's
            libraries: glibc and libstdc++ version theirs, CANN and torch do not).
    """

    machine: str
    soname: str
    needed: tuple[str, ...]
    defined: frozenset[str]
    wanted: frozenset[str]


def read_object(path: Path) -> SharedObject:
    """Read one shared object.

    Raises:
        NotElfError: The file is not a 64-bit little-endian ELF object, or is cut short.
    """
    with path.open("rb") as stream:
        if stream.read(6) != b"\x7fELF\x02\x01":
            raise NotElfError(f"{path} is not a 64-bit little-endian ELF object")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as image:
            try:
                return _parse(image)
            except (struct.error, IndexError, ValueError, OverflowError) as error:
                raise NotElfError(f"{path} is cut short or damaged: {error}") from error


def _parse(image: mmap.mmap) -> SharedObject:
    (machine,) = struct.unpack_from("<H", image, 18)
    (table,) = struct.unpack_from("<Q", image, 40)
    entry_size, count = struct.unpack_from("<HH", image, 58)
    sections = [_section(image, table + index * entry_size) for index in range(count)]
    defined, wanted = _symbols(image, sections)
    dynamic = list(_dynamic(image, sections))
    return SharedObject(
        machine=MACHINES.get(machine, str(machine)),
        soname=next((value for tag, value in dynamic if tag == _DT_SONAME), ""),
        needed=tuple(value for tag, value in dynamic if tag == _DT_NEEDED),
        defined=frozenset(defined),
        wanted=frozenset(wanted),
    )


def _section(image: mmap.mmap, at: int) -> _Section:
    _name, kind, _flags, _address, offset, size, link = struct.unpack_from("<IIQQQQI", image, at)
    return _Section(kind, offset, size, link)


def _text(image: mmap.mmap, strings: _Section, offset: int) -> str:
    start = strings.offset + offset
    end = image.find(b"\0", start)
    if end < 0:
        raise ValueError("a name runs past the end of the file")
    return image[start:end].decode("utf-8", "replace")


def _dynamic(image: mmap.mmap, sections: list[_Section]) -> Iterator[tuple[int, str]]:
    for section in sections:
        if section.kind != _SHT_DYNAMIC:
            continue
        for at in range(section.offset, section.offset + section.size, 16):
            tag, value = struct.unpack_from("<qQ", image, at)
            if tag in {_DT_NEEDED, _DT_SONAME}:
                yield tag, _text(image, sections[section.link], value)


def _symbols(image: mmap.mmap, sections: list[_Section]) -> tuple[set[str], set[str]]:
    defined: set[str] = set()
    wanted: set[str] = set()
    versioned = _versioned(image, sections)
    for section in sections:
        if section.kind != _SHT_DYNSYM:
            continue
        strings = sections[section.link]
        table = image[section.offset : section.offset + section.size]
        for index, (name, info, _other, home, _value, _size) in enumerate(
            struct.iter_unpack("<IBBHQQ", table)
        ):
            if not name:
                continue
            if home:
                defined.add(_text(image, strings, name))
            elif info >> 4 != _STB_WEAK and index not in versioned:
                wanted.add(_text(image, strings, name))
    return defined, wanted


def _versioned(image: mmap.mmap, sections: list[_Section]) -> set[int]:
    """Return the indexes of the symbols that ask for a version."""
    required = {
        number for section in sections if section.kind == _SHT_VERNEED for number in _needs(image, section)
    }
    return {
        index
        for section in sections
        if section.kind == _SHT_VERSYM
        for index, (version,) in enumerate(
            struct.iter_unpack("<H", image[section.offset : section.offset + section.size])
        )
        if version & 0x7FFF in required
    }


def _needs(image: mmap.mmap, section: _Section) -> Iterator[int]:
    at = section.offset
    while True:
        _version, count, _file, first, following = struct.unpack_from("<HHIII", image, at)
        inner = at + first
        for _ in range(count):
            _hash, _flags, number, _name, step = struct.unpack_from("<IHHII", image, inner)
            yield number & 0x7FFF
            inner += step
        if not following:
            return
        at += following
