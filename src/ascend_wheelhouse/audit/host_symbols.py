"""The symbols of a CANN installation, so that what wheels leave to the host can be compared with it.

`--cann-root DIR` reads every library below a folder (a toolkit, its stub folder, NNAL, or all of them) and
keeps the list in the store by CANN version and machine: later audits for that CANN use it without the
folder.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.places import real
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.wheels.elf import MAGIC, BadElfError, ElfFacts, read_elf

_LARGEST = 1 << 30
_VERSION_FILES = ("version.cfg", "version.info", "ascend_toolkit_install.info", "compiler/version.info")
_VERSION = re.compile(r"(?:^|[^\d.])(\d+\.\d+\.(?:RC\d+|\d+)(?:\.(?:alpha|beta)\d+)?)", re.IGNORECASE)


class NoCannError(UsageError):
    """A folder given as CANN holds no shared library for the target."""


def read_host_symbols(root: Path, machine: str) -> dict[str, frozenset[str]]:
    """Return the symbols of every library below a folder, by library name.

    Raises:
        NoCannError: There is no library for that machine.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path, facts in _libraries(root):
        if facts.machine == machine:
            for name in {path.name, facts.soname} - {""}:
                found[name].update(symbol.name for symbol in facts.defined)
    if not found:
        raise NoCannError(
            f"{root} holds no shared library for {machine}.",
            why="The folder is not an installed CANN, or one for the other architecture.",
            next_step="give the folder that set_env.sh is in, such as /usr/local/Ascend/ascend-toolkit/latest",
        )
    return {name: frozenset(symbols) for name, symbols in found.items()}


def _libraries(root: Path) -> Iterator[tuple[Path, ElfFacts]]:
    for path in _named_so(root):
        if not path.is_file() or path.stat().st_size > _LARGEST:
            continue
        data = path.read_bytes()
        if data[:4] == MAGIC:
            try:
                yield path, read_elf(data)
            except BadElfError:
                continue


def _named_so(root: Path) -> Iterator[Path]:
    """Yield the files below a folder that may be libraries.

    `ascend-toolkit/latest` may be a folder of links into the folder of the version beside it, so links are followed,
    as far as they stay beside the folder that was named.
    """
    seen: set[str] = set()
    beside = f"{Path(os.path.realpath(root)).parent}/".replace("//", "/")
    for place, folders, files in os.walk(root, followlinks=True):
        whole = os.path.realpath(place)
        if whole in seen or not f"{whole}/".startswith(beside):
            folders.clear()
            continue
        seen.add(whole)
        folders.sort()
        yield from (Path(place, name) for name in sorted(files) if ".so" in name)


def cann_version(root: Path) -> str:
    """Return the version that an installation states or its folder is named after, or an empty text."""
    texts = [path.read_text("utf-8", "replace") for name in _VERSION_FILES if (path := root / name).is_file()]
    for text in (*texts, str(real(root))):
        if found := _VERSION.search(text):
            return found[1].upper()
    return ""


def keep(store: Store, cann: str, machine: str, symbols: Mapping[str, frozenset[str]]) -> None:
    """Keep a list in the store for audits of that CANN."""
    store.put_result(_key(cann, machine), {name: sorted(found) for name, found in symbols.items()})


def kept(store: Store, cann: str, machine: str) -> dict[str, frozenset[str]] | None:
    """Return the list of a CANN version, or None where none was kept."""
    record = store.result(_key(cann, machine), {...: [str]}) if cann else None
    return None if record is None else {name: frozenset(found) for name, found in record.items()}


def _key(cann: str, machine: str) -> str:
    return f"cann-symbols-{cann.lower()}-{machine}"
