"""Libraries of a container's image: what a wheel that was built in it was linked against, and may take along.

This host may have others of the same names, newer or older. Which file a name leads to is asked of the image's loader
(`ldconfig -p`, or its folders where it has no cache). What is needed is copied out of the image, and auditwheel looks
there alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from ascend_wheelhouse.wheels.elf import read_elf

_KNOWN = re.compile(r"^\s+(?P<name>\S+) \((?P<kind>[^)]*)\) => (?P<path>/\S.*)$", re.MULTILINE)
_KINDS = {"x86_64": "x86-64", "aarch64": "AArch64"}
"""What `ldconfig -p` calls the machines' 64-bit objects (glibc, elf/cache.c)."""
_FOLDER = re.compile(r"^(?P<folder>/\S*):(?: |$)")
_IN_FOLDER = re.compile(r"^\t(?P<name>\S+) -> ")
ASK = """
PATH=$PATH:/usr/sbin:/sbin
ldconfig -p 2>/dev/null || ldconfig -v -N -X 2>/dev/null || true
"""
"""A script that asks an image what its loader knows; without a cache what one would hold, and nothing is written."""
Copied = Callable[[Sequence[str], Path], None]
"""Copies files of the image, by their paths there, into a folder, under the names that they have there."""


@dataclass(frozen=True, kw_only=True)
class ImageLibrary:
    """One library of an image.

    Args:
        path: Its copy.
        image: The image, with the digest that it goes by.
    """

    path: Path
    image: str

    @cached_property
    def sha256(self) -> str:
        """The digest of the file as the image holds it."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def told(self) -> str:
        """The library and its image, for a reader of the manifest."""
        return f"{self.path.name} (sha256 {self.sha256}) of {self.image}"


@dataclass(frozen=True, kw_only=True)
class ImageLibraries:
    """What a wheel may take along out of the image that it was built in.

    Args:
        folder: Holds copies of what the wheel needs, and of what that needs.
        image: The image, with the digest that it goes by.
        of_nodes: What is not looked for any further: nothing, since all that is needed was copied.
    """

    folder: Path
    image: str
    of_nodes: frozenset[str] = frozenset()
    owner: str = "the image that it was built in"
    remedy: str = "install them in the image, where its `ldconfig -p` names them, and build again"
    has_floor: bool = False

    @cached_property
    def known(self) -> dict[str, ImageLibrary]:
        """Every library that was copied, by the name that it is needed by."""
        return {
            path.name: ImageLibrary(path=path, image=self.image) for path in sorted(self.folder.iterdir())
        }

    @property
    def folders(self) -> list[Path]:
        """Where auditwheel looks for them, and nowhere else."""
        return [self.folder]

    def needed(self, name: str) -> tuple[str, ...]:
        """Return what a library needs itself; nothing where it is not among these."""
        library = self.known.get(name)
        return read_elf(library.path.read_bytes()).needed if library else ()

    def source_of(self, grafted: str) -> ImageLibrary | None:
        """Return what a grafted file was made from; auditwheel puts the beginning of its digest into the name."""
        for library in self.known.values():
            stem, _, rest = library.path.name.partition(".")
            if Path(grafted).name == f"{stem}-{library.sha256[:8]}.{rest}":
                return library
        return None

    def additions(self, _grafted: Mapping[str, tuple[ImageLibrary, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield nothing: which package of the image a library is of, and under which licence, is not known."""
        yield from ()


def copy_libraries(
    needed: Iterable[str],
    folder: Path,
    *,
    known: Mapping[str, str],
    image: str,
    left: Sequence[str],
    copied: Copied,
) -> ImageLibraries:
    """Copy what is needed out of an image, and what that needs; a name that the image does not know is left out.

    Args:
        needed: sonames.
        folder: An empty folder.
        known: The image's libraries, as `libraries_of` gives them.
        image: The image, with the digest that it goes by.
        left: Patterns of what every node has, which is not copied.
        copied: Copies them.
    """
    seen: set[str] = set()
    wanted = set(needed)
    while wanted := {name for name in wanted - seen if name in known and not _matches(name, left)}:
        copied([known[name] for name in sorted(wanted)], folder)
        seen |= wanted
        wanted = {further for name in wanted for further in read_elf((folder / name).read_bytes()).needed}
    return ImageLibraries(folder=folder, image=image)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def libraries_of(listed: str, machine: str) -> dict[str, str]:
    """Return the path of each library by its name, of several the one that is loaded.

    Args:
        listed: What `ASK` answered.
        machine: Whose: `x86_64` or `aarch64`; an image may have 32-bit libraries beside.
    """
    kind = _KINDS.get(machine, machine)
    found = [(match["name"], match["path"]) for match in _KNOWN.finditer(listed) if kind in match["kind"]]
    found += sorted(_in_folders(listed), key=lambda one: not _is_for_64_bits(one[1], machine))
    plain = [(name, path) for name, path in found if path.rpartition("/")[2] == name and _is_for_any(path)]
    return dict(reversed(plain))


def _is_for_any(path: str) -> bool:
    """Tell whether a path is for every processor of its machine; loaders prefer those of `glibc-hwcaps` to it."""
    return not {"glibc-hwcaps", "tls", "haswell", "xeon_phi", "atomics"} & set(path.split("/"))


def _in_folders(listed: str) -> Iterator[tuple[str, str]]:
    """Yield what is listed by folders, where there was no cache."""
    folder = ""
    for line in listed.splitlines():
        if match := _FOLDER.match(line):
            folder = match["folder"]
        elif folder and (match := _IN_FOLDER.match(line)):
            yield match["name"], f"{folder}/{match['name']}"


def _is_for_64_bits(path: str, machine: str) -> bool:
    """Tell whether a path is in a folder that has objects of 64 bits alone, as `lib64` or one of Debian's."""
    return "lib64" in path or f"/{machine}-" in path
