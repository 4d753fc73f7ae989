"""Libraries that a wheel may take along: those of a toolchain's sysroot, as their locked packages hold them.

The sysroot's own copies have symbols hidden and are for the linker alone. What goes into a wheel is the untouched
file, kept below `libraries/<package file>/` with the licence of its package, so that a path tells whose it is. A wheel
that took some along says so itself: a bill of materials (PEP 770's `.dist-info/sboms/`) and each licence's text.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote

from ascend_wheelhouse.base import process
from ascend_wheelhouse.build.symbol_floor import libraries_of_nodes
from ascend_wheelhouse.locks.toolchain_lock import LockedPackage
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.wheels.elf import MAGIC, read_elf
from ascend_wheelhouse.wheels.grafted import BILL, GraftedLibrary, write_bill

_FREE_FORM = "as its text says"
_DEP5 = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0"
_LONGEST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class Library:
    """One library that may be grafted.

    Args:
        path: The file.
        package: What brings it.
        licence: What its package says of its licences, in full.
    """

    path: Path
    package: LockedPackage
    licence: str

    @cached_property
    def sha256(self) -> str:
        """The digest of the file as the package holds it."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def told(self) -> str:
        """The library and its package, for a reader of the manifest."""
        return f"{self.path.name} of {unquote(self.package.filename)} (sha256 {self.package.sha256})"

    @property
    def licences(self) -> list[str]:
        """The licences by the short names that the package gives them (Debian's machine-readable copyright)."""
        if _DEP5 not in self.licence.partition("\n")[0].replace("http:", "https:"):
            return [_FREE_FORM]
        blocks = re.split(r"\n\s*\n", self.licence)
        found = (re.search(r"^License:[ \t]*(\S.*)$", one, re.MULTILINE) for one in blocks if "Files:" in one)
        return sorted({match[1].strip()[:_LONGEST_NAME] for match in found if match}) or [_FREE_FORM]


@dataclass(frozen=True, kw_only=True)
class Libraries:
    """What wheels for one kind of node may take along.

    Args:
        folder: What `lay_libraries` made.
        machine: The nodes' machine.
        glibc: The nodes' glibc.
        packages: The packages of the sysroot.
        remedy: What a user does where a library is missing.
    """

    folder: Path
    machine: str
    glibc: tuple[int, int]
    packages: tuple[LockedPackage, ...]
    remedy: str
    owner: str = "the toolchain's sysroot"
    has_floor: bool = True

    @cached_property
    def known(self) -> dict[str, Library]:
        """Every library by the names that a shared object may need it by."""
        found = {}
        for package in self.packages:
            folder = self._of(package)
            for path in sorted(folder.glob("*.so*")):
                library = Library(path=path.resolve(), package=package, licence=self._licence(package))
                found[path.name] = library
        return found

    @property
    def folders(self) -> list[Path]:
        """Where auditwheel looks for them, and nowhere else."""
        return sorted({library.path.parent for library in self.known.values()})

    @property
    def of_nodes(self) -> frozenset[str]:
        """Libraries that every node has, by auditwheel's own list."""
        return libraries_of_nodes(self.machine, self.glibc)

    def needed(self, name: str) -> tuple[str, ...]:
        """Return what a library needs itself; nothing where it is not among these."""
        library = self.known.get(name)
        return read_elf(library.path.read_bytes()).needed if library else ()

    def source_of(self, grafted: str) -> Library | None:
        """Return what a grafted file was made from; auditwheel puts the beginning of its digest into the name."""
        return self._by_grafted_name.get(Path(grafted).name)

    def additions(self, grafted: Mapping[str, tuple[Library, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield the files of `.dist-info` that tell of grafted libraries."""
        yield from additions(grafted)

    @cached_property
    def _by_grafted_name(self) -> dict[str, Library]:
        libraries = {library.path: library for library in self.known.values()}.values()
        made = {}
        for library in libraries:
            stem, _, rest = library.path.name.partition(".")
            made[f"{stem}-{library.sha256[:8]}.{rest}"] = library
        return made

    def _of(self, package: LockedPackage) -> Path:
        return _place(self.folder, package, self.machine)

    def _licence(self, package: LockedPackage) -> str:
        own = self.folder / package.filename / "copyright"
        return own.read_text("utf-8", errors="replace") if own.is_file() else ""


def _place(folder: Path, package: LockedPackage, machine: str) -> Path:
    return folder / package.filename / f"{machine}-linux-gnu"


def lay_libraries(folder: Path, packages: Iterable[LockedPackage], machine: str, store: Store) -> None:
    """Lay out the shared libraries of packages, untouched, each with the licence of its package.

    Args:
        folder: An existing folder.
        packages: All in the store.
        machine: Whose libraries: those of its folder below `/lib` and `/usr/lib` alone, where its loader looks.
        store: Where they are.
    """
    licences: dict[str, bytes] = {}
    links: dict[str, str] = {}
    holders = []
    for package in packages:
        with scratch(folder) as work:
            store.check(package.sha256)
            archive = work / "data.tar"
            words = ["sh", "-c", 'dpkg-deb --fsys-tarfile "$1" >"$2"', "unpack"]
            process.run([*words, store.path(package.sha256), archive])
            with tarfile.open(archive) as opened:
                _take_licences(opened, licences, links)
                if _take_libraries(opened, _place(folder, package, machine), machine):
                    holders.append(package)
    for package in holders:
        name = package.package
        text = licences.get(name) or licences.get(links.get(name, ""), b"")
        (folder / package.filename / "copyright").write_bytes(text)


def _take_licences(archive: tarfile.TarFile, licences: dict[str, bytes], links: dict[str, str]) -> None:
    """Note each licence by the folder that it lies in; a package may point to the folder of another."""
    for member in archive:
        folder, _, name = member.name.removeprefix("./usr/share/doc/").partition("/")
        if not member.name.startswith("./usr/share/doc/"):
            continue
        if member.issym() and not name:
            links[folder] = member.linkname
        elif member.isfile() and name == "copyright" and (stream := archive.extractfile(member)):
            licences[folder] = stream.read()


def _take_libraries(archive: tarfile.TarFile, place: Path, machine: str) -> bool:
    """Write the libraries of a package and their further names; tell whether there are any."""
    folders = {f"./{at}/{machine}-linux-gnu" for at in ("lib", "usr/lib")}
    inside = [member for member in archive if member.name.rpartition("/")[0] in folders]
    wanted = [(member.name.rpartition("/")[2], member) for member in inside if ".so" in member.name]
    for name, member in wanted:
        if member.isfile() and (data := _shared(archive, member)):
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
    if not place.is_dir():
        return False
    for name, member in wanted:
        if member.issym() and "/" not in member.linkname:
            (place / name).symlink_to(member.linkname)
    for path in place.iterdir():
        if not path.exists():  # to a library of another package, which has this name as well
            path.unlink()
    return True


def _shared(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    data = stream.read() if stream else b""
    return data if data.startswith(MAGIC) else b""


def additions(grafted: Mapping[str, tuple[Library, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of `.dist-info` that tell of grafted libraries: the bill, and the licence of each package.

    Args:
        grafted: Member of the wheel to what it was made from, and its bytes.
    """
    if grafted:
        yield BILL, write_bill(_told_of(member, library, data) for member, (library, data) in grafted.items())
    texts = {library.package.package: library.licence for library, _ in grafted.values()}
    for package, text in sorted(texts.items()):
        yield f"licenses/grafted/{package}.txt", text.encode()


def _told_of(member: str, library: Library, data: bytes) -> GraftedLibrary:
    package = library.package
    name, version, architecture = unquote(package.filename).removesuffix(".deb").split("_")
    return GraftedLibrary(
        path=member,
        sha256=hashlib.sha256(data).hexdigest(),
        version=version,
        purl=f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}",
        licences=tuple(library.licences),
        facts={
            "package": unquote(package.filename),
            "package-sha256": package.sha256,
            "library-sha256": library.sha256,
        },
    )
