"""Reading a shared object as the dynamic linker does: program headers, the dynamic section and its tables.

Section headers are never read: the linker does not need them, and a hostile file may state billions. The
tables are unpacked with `struct`, because an object per symbol, as pyelftools makes, takes as long as
inflating the wheel does (figures in docs/audit.md); the tests hold this reader to pyelftools' answers. Only
64-bit little-endian files, which both target machines use, are read beyond their header.
Sources: the System V gABI (chapter 5); the Linux Standard Base 5.0 for the GNU hash and version tables.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from ascend_wheelhouse.base.errors import IntegrityError

MAGIC = b"\x7fELF"
_MACHINES = {183: "aarch64", 62: "x86_64", 3: "i386", 40: "arm", 243: "riscv", 247: "bpf", 190: "cuda"}
_TYPES = {1: "relocatable", 2: "executable", 3: "shared", 4: "core"}
_CLASS_64, _LITTLE = 2, 1
_MOST_HEADERS = 1024
_HEADER_SIZE = 56
_MOST_TAGS = 4096
_MOST_VERSION_ROWS = 1 << 15
_LONGEST_NAME = 1 << 16
_MOST_NAME_BYTES = 1 << 27
_PT_LOAD, _PT_DYNAMIC, _PT_GNU_STACK = 1, 2, 0x6474E551
_PF_X, _PF_W = 1, 2
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RPATH, _TEXTREL = 1, 4, 5, 6, 10, 14, 15, 22
_RELOCATIONS = ((7, 8), (23, 2))
"""The tags of each table of relocations and of its size: `DT_RELA`, and `DT_JMPREL` for calls."""
_RELOCATION_SIZE = 24
_BIND_NOW, _RUNPATH, _FLAGS = 24, 29, 30
_GNU_HASH, _VERSYM, _FLAGS_1 = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFB
_VERDEF, _VERNEED = 0x6FFFFFFC, 0x6FFFFFFE
_LOCAL, _WEAK = 0, 2
_STACK_EXECUTABLE = {"x86_64"}
"""Machines on which glibc makes it so where an object says nothing of it."""
_VISIBLE = (0, 3)
"""`STV_DEFAULT` and `STV_PROTECTED`."""
_NO_VERSION = ("", "")
_HIDDEN_VERSION = 0x8000
_VERSION_MAY_LACK = 2
"""`VER_FLG_WEAK`: the linker goes on where the library lacks the version."""


class BadElfError(IntegrityError):
    """A file that begins as an ELF file cannot be read as one."""


class Symbol(NamedTuple):
    """A dynamic symbol, with its version and the library that should have it where the file states them."""

    name: str
    version: str = ""
    library: str = ""


@dataclass(frozen=True, kw_only=True)
class ElfFacts:
    """What the dynamic linker needs to know about one object.

    Args:
        machine: `aarch64`, `x86_64` or another name; `em<number>` for one that is not known here.
        kind: `shared`, `executable`, `relocatable`, `core` or `other`.
        wide: 64-bit and little-endian: only then are the fields below filled.
        rpath: Folders of `DT_RPATH`; an empty one is that in which the program was started.
        runpath: Folders of `DT_RUNPATH`, in the same way; the linker passes over the others where it has some.
        exec_stack: True where the process has an executable stack once it is loaded: the file asks for one, or is of
            x86_64 and has no `PT_GNU_STACK` (`DEFAULT_STACK_PERMS` in glibc's sysdeps/*/stackinfo.h).
        writable_code: True where a loaded segment is writable and executable.
        page_bytes: The largest pages of a kernel with which it is loaded: its segments' least alignment; 0 without any.
        undefined: Symbols that must be found when the object is loaded.
        weak: Symbols that may stay undefined.
        defined: Symbols that it offers to others.
        needed_versions: Library and version of each version without which the linker does not load it, whatever symbols
            go with it: `GLIBC_ABI_DT_RELR` has none.
    """

    machine: str
    kind: str
    wide: bool
    dynamic: bool = False
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    exec_stack: bool = False
    writable_code: bool = False
    text_relocations: bool = False
    page_bytes: int = 0
    undefined: tuple[Symbol, ...] = ()
    weak: tuple[Symbol, ...] = ()
    defined: tuple[Symbol, ...] = ()
    needed_versions: tuple[tuple[str, str], ...] = ()


def read_elf(data: bytes | bytearray) -> ElfFacts:
    """Return the facts of an ELF file that is wholly in memory.

    Raises:
        BadElfError: The file is cut short or contradicts itself; no other exception leaves this function.
    """
    try:
        return _read(data)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise _bad(f"its tables do not fit the file ({error})") from error


def _read(data: bytes | bytearray) -> ElfFacts:
    if data[:4] != MAGIC:
        raise _bad("it does not begin with the magic number")
    wide = (data[4], data[5]) == (_CLASS_64, _LITTLE)
    kind, machine = struct.unpack_from("<HH" if data[5] == _LITTLE else ">HH", data, 16)
    kind_name, machine_name = _TYPES.get(kind, "other"), _MACHINES.get(machine, f"em{machine}")
    if not wide or kind_name not in {"shared", "executable"}:
        return ElfFacts(wide=wide, kind=kind_name, machine=machine_name)
    return _Image(data).facts(kind=kind_name, machine=machine_name)


class _NeededVersion(NamedTuple):
    """A version that the object asks of a library, and whether it is loaded without it."""

    number: int
    name: str
    library: str
    may_lack: bool


@dataclass(kw_only=True)
class _Tags:
    single: dict[int, int] = field(default_factory=dict)
    needed: list[int] = field(default_factory=list)


class _Image:
    """The file with its loaded segments, which turn addresses into offsets."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data
        self.view = memoryview(data)
        offset, size, count = struct.unpack_from("<32xQ14xHH", data, 0)
        if count > _MOST_HEADERS or (count and size != _HEADER_SIZE):
            raise _bad(f"it states {count} program headers of {size} bytes")
        self.headers = [
            struct.unpack_from("<IIQQQQQQ", data, offset + _HEADER_SIZE * index) for index in range(count)
        ]
        for kind, _flags, start, _address, _physical, size, *_ in self.headers:
            if kind in {_PT_LOAD, _PT_DYNAMIC} and start + size > len(data):
                raise _bad("a segment reaches beyond the end of the file")
        self.loads = [(row[3], row[2], row[5]) for row in self.headers if row[0] == _PT_LOAD]
        self.tags = self._tags()
        self.strings = self._strings()
        self.name_bytes = 0
        self.version_rows = 0

    def _tags(self) -> _Tags:
        tags = _Tags()
        for row in self.headers:
            if row[0] != _PT_DYNAMIC:
                continue
            table = self.view[row[2] : row[2] + row[5] - row[5] % 16]
            for tag, value in islice(struct.iter_unpack("<qQ", table), _MOST_TAGS):
                if tag == 0:
                    break
                if tag == _NEEDED:
                    tags.needed.append(value)
                tags.single[tag] = value  # of two the last counts: glibc's elf/get-dynamic-info.h
        return tags

    def at(self, address: int) -> int:
        """Return the file offset of a virtual address."""
        for start, offset, size in self.loads:
            if start <= address < start + size:
                return int(address - start + offset)
        raise _bad(f"address {address:#x} lies in no loaded segment")

    def _strings(self) -> bytes:
        if _STRTAB not in self.tags.single:
            return b""
        start = self.at(self.tags.single[_STRTAB])
        return bytes(self.view[start : start + self.tags.single.get(_STRSZ, 0)])

    def text(self, offset: int) -> str:
        """Return a string of the dynamic string table, within bounds that a hostile file cannot stretch."""
        end = self.strings.find(b"\0", offset, offset + _LONGEST_NAME)
        if end < 0 or offset >= len(self.strings):
            raise _bad(f"the name at {offset:#x} does not end within the string table")
        self.name_bytes += end - offset
        if self.name_bytes > _MOST_NAME_BYTES:
            raise _bad("its symbol names overlap beyond reason")
        return self.strings[offset:end].decode("utf-8", errors="replace")

    def facts(self, *, machine: str, kind: str) -> ElfFacts:
        """Return everything that the dynamic section says."""
        single = self.tags.single
        undefined, weak, defined = self._symbols()
        return ElfFacts(
            machine=machine,
            kind=kind,
            wide=True,
            dynamic=bool(single),
            soname=self._optional(_SONAME),
            needed=tuple(self.text(offset) for offset in self.tags.needed),
            rpath=self._paths(_RPATH),
            runpath=self._paths(_RUNPATH),
            exec_stack=self._exec_stack(machine),
            page_bytes=min((row[7] for row in self.headers if row[0] == _PT_LOAD), default=0),
            writable_code=any(r[0] == _PT_LOAD and r[1] & _PF_X and r[1] & _PF_W for r in self.headers),
            text_relocations=_TEXTREL in single or bool(single.get(_FLAGS, 0) & 4),
            undefined=undefined,
            weak=weak,
            defined=defined,
            needed_versions=tuple(
                dict.fromkeys((row.library, row.name) for row in self._needed_versions() if not row.may_lack)
            ),
        )

    def _optional(self, tag: int) -> str:
        return self.text(self.tags.single[tag]) if tag in self.tags.single else ""

    def _paths(self, tag: int) -> tuple[str, ...]:
        text = self._optional(tag)
        return tuple(text.split(":")) if text else ()

    def _exec_stack(self, machine: str) -> bool:
        stacks = [row[1] for row in self.headers if row[0] == _PT_GNU_STACK]
        return any(flags & _PF_X for flags in stacks) or (
            machine in _STACK_EXECUTABLE and not stacks and bool(self.tags.single)
        )

    def _symbol_count(self) -> int:
        single = self.tags.single
        if _HASH in single:
            return int(struct.unpack_from("<4xI", self.data, self.at(single[_HASH]))[0])
        if _GNU_HASH in single:
            return self._gnu_hash_count(self.at(single[_GNU_HASH]))
        return 0

    def _related_count(self) -> int:
        """Return how many symbols there are up to the last that a relocation names."""
        last = 0
        for place, size in _RELOCATIONS:
            if length := self.tags.single.get(size, 0):
                start = self.at(self.tags.single.get(place, 0))
                table = self.view[start : start + length - length % _RELOCATION_SIZE]
                last = max(last, max((row[1] for row in struct.iter_unpack("<Q4xI8x", table)), default=0))
        return last + 1

    def _gnu_hash_count(self, start: int) -> int:
        buckets, first, bloom, _shift = struct.unpack_from("<IIII", self.data, start)
        table = start + 16 + 8 * bloom
        last = max(_words(self.view, table, buckets), default=0)
        if (
            last < first
        ):  # it offers none: binutils then writes 1 for `first`, whatever the object asks of others
            return max(int(first), self._related_count())
        chains = table + 4 * buckets
        for index, word in enumerate(_tail_words(self.view, chains + 4 * (last - first))):
            if word & 1:
                return int(last + index + 1)
        raise _bad("its hash table does not end")

    def _symbols(self) -> tuple[tuple[Symbol, ...], tuple[Symbol, ...], tuple[Symbol, ...]]:
        undefined: list[Symbol] = []
        weak: list[Symbol] = []
        defined: list[Symbol] = []
        count = self._symbol_count() if _SYMTAB in self.tags.single else 0
        start = self.at(self.tags.single[_SYMTAB]) if count else 0
        if start + 24 * count > len(self.data):
            raise _bad(f"it states {count} symbols, more than the file holds")
        versions = self._versions(count)
        table = struct.iter_unpack("<IBBHQQ", self.view[start : start + 24 * count])
        for index, (name, info, other, section, _value, _size) in enumerate(table):
            bind = info >> 4
            if not name or bind == _LOCAL or (section and other & 3 not in _VISIBLE):
                continue
            version, library = versions.get(index, _NO_VERSION)
            if section:
                defined.append(Symbol(self.text(name), version, ""))
            else:
                (weak if bind == _WEAK else undefined).append(Symbol(self.text(name), version, library))
        return tuple(undefined), tuple(weak), tuple(defined)

    def _versions(self, count: int) -> dict[int, tuple[str, str]]:
        if _VERSYM not in self.tags.single or not count:
            return {}
        needed = {row.number: (row.name, row.library) for row in self._needed_versions()}
        names = needed | {index: (name, "") for index, name in self._defined_versions()}
        start = self.at(self.tags.single[_VERSYM])
        numbers = array("H", bytes(self.view[start : start + 2 * count]))
        return {
            place: names[number & ~_HIDDEN_VERSION]
            for place, number in enumerate(numbers)
            if number & ~_HIDDEN_VERSION in names
        }

    def _listed(self, start: int, form: str) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the rows of a list of versions, each with its place.

        Their last field is the way to the next row, 0 in the last one: counts are not asked, as `elf/dl-version.c` of
        glibc asks none.
        """
        place, following = start, -1
        while following:
            self.version_rows += 1
            if self.version_rows > _MOST_VERSION_ROWS:
                raise _bad("its lists of versions do not end")
            row = struct.unpack_from(form, self.data, place)
            yield place, row
            following = row[-1]
            place += following

    def _needed_versions(self) -> Iterator[_NeededVersion]:
        if _VERNEED not in self.tags.single:
            return
        for place, (_, _, file, first, _) in self._listed(self.at(self.tags.single[_VERNEED]), "<HHIII"):
            for _, (_, flags, index, name, _) in self._listed(place + first, "<IHHII"):
                yield _NeededVersion(index, self.text(name), self.text(file), bool(flags & _VERSION_MAY_LACK))

    def _defined_versions(self) -> Iterator[tuple[int, str]]:
        if _VERDEF not in self.tags.single:
            return
        for place, (_, flags, index, _, _, first, _) in self._listed(
            self.at(self.tags.single[_VERDEF]), "<HHHHIII"
        ):
            if not flags & 1:
                yield index, self.text(struct.unpack_from("<I", self.data, place + first)[0])


def _words(view: memoryview, start: int, count: int) -> array[int]:
    if start + 4 * count > len(view):
        raise _bad(f"it states {count} hash buckets, more than the file holds")
    return array("I", bytes(view[start : start + 4 * count]))


def _tail_words(view: memoryview, start: int) -> Iterator[int]:
    for (word,) in struct.iter_unpack("<I", view[start : len(view) - (len(view) - start) % 4]):
        yield word


def _bad(fault: str) -> BadElfError:
    return BadElfError(
        f"The ELF file is damaged: {fault}.",
        why="The file was cut short, or made or edited by a faulty tool.",
        next_step="build or fetch the wheel that holds it again",
    )
