"""Shared libraries to link against, without the symbols that a node's are too old for.

No suite has just the C library of `manylinux_2_28`; a newer one would give a wheel symbols such as `pow@GLIBC_2.29`. So
every symbol whose version is not in the list of the node's tag becomes an undefined weak one, and the newest version of
a name that remains becomes its default: the linker then chooses `pow@GLIBC_2.17`, and what is new altogether is
missing at link time instead of on the node. The lists are auditwheel's policies (PEP 600), the same that the finished
wheel is measured by. Such a library is for the linker alone.
"""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection
from elftools.elf.sections import SymbolTableSection

from ascend_wheelhouse.base.errors import BuildError

_SYMBOL = 24
"""Bytes of an ELF64 symbol: name (4), info (1), other (1), section (2), value (8), size (8) (System V gABI)."""
_INFO, _SECTION = 4, 6
_WEAK, _TYPE = 2 << 4, 0x0F
_HIDDEN, _GLOBAL = 0x8000, 1
_UNDEFINED = 0


class NoPolicyError(BuildError):
    """auditwheel knows no policy for a glibc, so nobody says which symbols its nodes have."""


def allowed_versions(machine: str, glibc: tuple[int, int]) -> dict[str, frozenset[str]]:
    """Return the symbol versions that every node of a tag has: `{"GLIBC": {"2.17", ...}, "GLIBCXX": ...}`.

    Where auditwheel lists no tag of that very glibc, the newest older one holds: it promises less.

    Raises:
        NoPolicyError: It lists none.
    """
    versions = _policy(machine, glibc)["symbol_versions"][machine]
    return {name: frozenset(known) for name, known in versions.items()}


def libraries_of_nodes(machine: str, glibc: tuple[int, int]) -> frozenset[str]:
    """Return the libraries that every node of a tag has, by the same policy as `allowed_versions`.

    Raises:
        NoPolicyError: auditwheel lists none.
    """
    return frozenset(_policy(machine, glibc)["lib_whitelist"])


def newest_tag(machine: str) -> str:
    """Return the platform tag of the newest glibc that auditwheel knows, which the fewest nodes have."""
    major, minor = max(_policies(machine))
    return f"manylinux_{major}_{minor}_{machine}"


def _policies(machine: str) -> dict[tuple[int, int], dict[str, Any]]:
    text = files("auditwheel.policy").joinpath("manylinux-policy.json").read_text("utf-8")
    known = {}
    for policy in json.loads(text):
        match = re.fullmatch(r"manylinux_(\d+)_(\d+)", policy["name"])
        if match and machine in policy["symbol_versions"]:
            known[int(match[1]), int(match[2])] = policy
    return known


def _policy(machine: str, glibc: tuple[int, int]) -> dict[str, Any]:
    known = _policies(machine)
    fit = [version for version in known if version <= glibc]
    if not fit:
        raise NoPolicyError(
            f"No list of symbols is known for glibc {glibc[0]}.{glibc[1]} on {machine}.",
            next_step="name a newer one with --glibc",
        )
    newest: dict[str, Any] = known[max(fit)]
    return newest


@dataclass(frozen=True, kw_only=True)
class _VersionedSymbol:
    """One symbol of a library: its name, the version it is known by, and its number in the table."""

    name: str
    version: str
    number: int
    hidden: bool


def lower(library: bytes, allowed: Mapping[str, Collection[str]]) -> bytes:
    """Return a library as the linker shall see it.

    Args:
        library: A 64-bit little-endian shared object.
        allowed: Version prefix (`GLIBC`) to the versions that nodes have; versions of other prefixes all stay.
    """
    elf = ELFFile(io.BytesIO(library))
    symbols, versions = elf.get_section_by_name(".dynsym"), elf.get_section_by_name(".gnu.version")
    if not isinstance(symbols, SymbolTableSection) or versions is None:
        return library
    data = bytearray(library)
    start, told = symbols["sh_offset"], versions["sh_offset"]
    for number in _undefined(symbols):
        _weaken(data, start + number * _SYMBOL)
    entries = list(_entries(elf, symbols, data, told))
    kept = [entry for entry in entries if _stays(entry.version, allowed)]
    for entry in entries:
        if entry not in kept:
            _hide(data, start + entry.number * _SYMBOL, told + 2 * entry.number)
    for number in _defaults(kept):
        (index,) = struct.unpack_from("<H", data, told + 2 * number)
        struct.pack_into("<H", data, told + 2 * number, index & ~_HIDDEN)
    return bytes(data)


def _undefined(symbols: SymbolTableSection) -> Iterator[int]:
    for number, symbol in enumerate(symbols.iter_symbols()):
        if number and symbol["st_shndx"] == "SHN_UNDEF":
            yield number


def _entries(
    elf: ELFFile, symbols: SymbolTableSection, data: bytearray, told: int
) -> Iterator[_VersionedSymbol]:
    names = {}
    defined = elf.get_section_by_name(".gnu.version_d")
    if isinstance(defined, GNUVerDefSection):
        names = {version["vd_ndx"]: next(names).name for version, names in defined.iter_versions()}
    for number, symbol in enumerate(symbols.iter_symbols()):
        if symbol["st_shndx"] != "SHN_UNDEF":
            (index,) = struct.unpack_from("<H", data, told + 2 * number)
            version = names.get(index & ~_HIDDEN, "")
            yield _VersionedSymbol(
                name=symbol.name, version=version, number=number, hidden=bool(index & _HIDDEN)
            )


def _stays(version: str, allowed: Mapping[str, Collection[str]]) -> bool:
    prefix, _, number = version.rpartition("_")
    return prefix not in allowed or number in allowed[prefix]


def _defaults(kept: list[_VersionedSymbol]) -> Iterator[int]:
    """Yield the newest of each name that has no default left."""
    by_name: dict[str, list[_VersionedSymbol]] = {}
    for entry in kept:
        by_name.setdefault(entry.name, []).append(entry)
    for entries in by_name.values():
        if all(entry.hidden for entry in entries):
            yield max(entries, key=lambda one: [int(part) for part in re.findall(r"\d+", one.version)]).number


def _weaken(data: bytearray, symbol: int) -> None:
    data[symbol + _INFO] = _WEAK | data[symbol + _INFO] & _TYPE


def _hide(data: bytearray, symbol: int, version: int) -> None:
    _weaken(data, symbol)
    struct.pack_into("<H", data, symbol + _SECTION, _UNDEFINED)
    struct.pack_into("<H", data, version, _GLOBAL)
