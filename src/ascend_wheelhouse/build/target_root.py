"""The system that a build with a toolchain of ours sees: laid out from locked packages, without root rights.

    /usr        what a build calls, in the target's instructions
    /native     the compiler, the linker and ninja, in the builder's instructions (foreign builds; else in /usr as well)
    /sysroot    what is compiled and linked against: headers, and libraries with the symbols of the node's glibc alone

and, seen by no build, `libraries`: the same libraries untouched, for wheels to take along (`grafts.py`).

libstdc++ is linked as Red Hat's toolsets do it: from the old shared library what that has; the rest, which came with
the newer compiler, from the compiler's own static one, hidden. So a wheel needs no newer libstdc++ than its nodes have.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.build.grafts import Libraries, lay_libraries
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.laid_out import toolchain_folder
from ascend_wheelhouse.build.shims import NONSHARED
from ascend_wheelhouse.build.symbol_floor import allowed_versions, lower
from ascend_wheelhouse.cells.target import FLOOR, PYTHONS, dotted
from ascend_wheelhouse.locks.toolchain_lock import LockedPackage, ToolchainLock
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.store.store import Store

SYSROOT = "/sysroot"
_LIBRARIES = "libraries"
_NATIVE = "native"
_LAYOUT = 2
_MERGED = ("bin", "sbin", "lib")
_LEFT_OUT = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./usr/share/info")
_INITIALISES = "#define _GLIBCXX_USE_INIT_PRIORITY_ATTRIBUTE"


class UnpackerMissingError(HostUnfitError):
    """This host has nothing that unpacks a Debian package."""


@dataclass(frozen=True, kw_only=True)
class TargetRoot:
    """A laid-out system.

    Args:
        folder: On the host.
        lock: What it was made from.
        glibc: The nodes' glibc.
    """

    folder: Path
    lock: ToolchainLock
    glibc: tuple[int, int]

    @property
    def triplet(self) -> str:
        """The target, as compilers name it."""
        return f"{self.lock.machine}-linux-gnu"

    @property
    def tools(self) -> str:
        """The folder of the compiler, as a build sees it."""
        return f"/{_NATIVE}/usr/bin" if self.lock.foreign else "/usr/bin"

    @property
    def libraries(self) -> Libraries:
        """What wheels that are built here may take along."""
        lock, floor = self.lock, dotted(self.glibc)
        name, _, _ = lock.name.partition("-glibc")
        glibc = "" if self.glibc == FLOOR else f" --glibc {floor}"
        python = "" if lock.python == dotted(PYTHONS[0]) else f" --python {lock.python}"
        command = f"invoke toolchain --name {name} --platform {lock.machine}{glibc}{python} --lock"
        return Libraries(
            folder=self.folder / _LIBRARIES,
            machine=lock.machine,
            glibc=self.glibc,
            packages=tuple(lock.of("sysroot")),
            remedy=f"add the Debian packages that hold them to [[sysroots]] of recipes/toolchains/{name}.toml, then: "
            f"{command}",
        )

    @property
    def identity(self) -> str:
        """What goes into the key of a build and into the manifest."""
        floor = ".".join(map(str, self.glibc))
        return f"{self.lock.name} {self.lock.digest[:16]} for glibc {floor}, layout {_LAYOUT}"


def lay_root(lock: ToolchainLock, glibc: tuple[int, int], store: Store) -> TargetRoot:
    """Return the system of a toolchain, laid out on first use from packages in the store.

    Raises:
        BlobMissingError: A package is not in the store.
        IntegrityError: One has other bytes than the lock says.
        NoPolicyError: Nobody says which symbols nodes of that glibc have.
        UnpackerMissingError: This host cannot unpack a package.
    """
    facts = {"files": sorted(f"{file.part} {file.sha256}" for file in lock.files)}
    name = digest_of(facts | {"glibc": list(glibc), "layout": _LAYOUT})[:20]
    folder = toolchain_folder(store, name, lambda work: _lay(work / "root", lock, glibc, store))
    return TargetRoot(folder=folder, lock=lock, glibc=glibc)


def _lay(root: Path, lock: ToolchainLock, glibc: tuple[int, int], store: Store) -> Path:
    native = root / _NATIVE if lock.foreign else root
    sysroot = root / SYSROOT[1:]
    if _older_compiler(lock):
        unpack(native, lock.of("compiler"), store)
        unpack(root, lock.of("system"), store)
    else:
        unpack(root, lock.of("system"), store)
        unpack(native, lock.of("compiler"), store)
    unpack(sysroot, lock.of("sysroot"), store)
    (root / _LIBRARIES).mkdir()
    lay_libraries(root / _LIBRARIES, lock.of("sysroot"), lock.machine, store)
    if lock.foreign:
        _join(root, lock.host)
    _fill_in(root, lock)
    _finish_sysroot(sysroot, lock, glibc)
    _finish_compiler(native, sysroot, lock)
    return root


def _older_compiler(lock: ToolchainLock) -> bool:
    """Tell whether the compiler's libraries are older than the system's: of two in one place the newer serves both."""
    versions = [lock.version_of(part, "libc6") for part in ("compiler", "system")]
    return all(versions) and Version(versions[0]) < Version(versions[1])


def unpack(root: Path, packages: Iterable[LockedPackage], store: Store) -> None:
    """Unpack packages of the store below a folder, all of it in `/usr`.

    Raises:
        BlobMissingError: A package is not in the store.
        IntegrityError: One has other bytes than its lock says.
        UnpackerMissingError: This host cannot unpack a package.
    """
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    if not shutil.which("dpkg-deb"):
        raise UnpackerMissingError(
            "This host lacks dpkg-deb.", next_step="install dpkg, or build in an image with --container"
        )
    omitted = (f"--exclude={name}" for name in _LEFT_OUT)
    untar = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", *omitted, "-C", str(root)]
    for package in packages:
        store.check(package.sha256)
        script = 'dpkg-deb --fsys-tarfile "$1" >"$2" && shift 2 && exec "$@"'
        with scratch(root.parent) as folder:
            pipe = folder / "data.tar"
            archive = str(store.path(package.sha256))
            words = ["sh", "-c", script, "unpack", archive, str(pipe), *untar, "-f", str(pipe)]
            process.run(words)


def _join(root: Path, host: str) -> None:
    """Let the builder's programs find their loader and libraries where they look for them."""
    loaders = root / _NATIVE / "usr/lib64"
    if loaders.is_dir():
        (root / "lib64").symlink_to(f"{_NATIVE}/usr/lib64")
    else:  # aarch64 keeps its loader in /lib
        for loader in (root / _NATIVE / "usr/lib").glob("ld-linux-*.so.*"):
            (root / "usr/lib" / loader.name).symlink_to(f"/{_NATIVE}/usr/lib/{loader.name}")
    triplet = f"{host}-linux-gnu"
    (root / "usr/lib" / triplet).symlink_to(f"/{_NATIVE}/usr/lib/{triplet}")


def _fill_in(root: Path, lock: ToolchainLock) -> None:
    """Make what installing would have made: the names that packages share, accounts, an empty etc."""
    if not (root / "usr/bin/awk").exists():
        (root / "usr/bin/awk").unlink(missing_ok=True)
        (root / "usr/bin/awk").symlink_to("gawk")
    for name in ("python3", "python"):
        if not (root / "usr/bin" / name).exists():
            (root / "usr/bin" / name).symlink_to(f"python{lock.python}")
    (root / "etc").mkdir(exist_ok=True)


def _finish_sysroot(sysroot: Path, lock: ToolchainLock, glibc: tuple[int, int]) -> None:
    """Point links of the root back into the sysroot, hide symbols that are too new, and show Python's headers."""
    triplet = f"{lock.machine}-linux-gnu"
    libraries = sysroot / "usr/lib" / triplet
    allowed = allowed_versions(lock.machine, glibc)
    for path in sorted(sysroot.rglob("*")):
        if path.is_symlink() and path.readlink().is_absolute():
            inside = sysroot / path.readlink().relative_to("/")
            path.unlink()
            path.symlink_to(os.path.relpath(inside.parent.resolve() / inside.name, path.parent.resolve()))
    for path in sorted(libraries.glob("*.so*")):
        if path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF":
            data = lower(path.read_bytes(), allowed)
            path.unlink()
            path.write_bytes(data)
    headers = f"usr/include/{triplet}/python{lock.python}"
    (sysroot / headers).parent.mkdir(parents=True, exist_ok=True)
    (sysroot / headers).symlink_to(f"/{headers}")


def _finish_compiler(native: Path, sysroot: Path, lock: ToolchainLock) -> None:
    """Take the run-time libraries from the sysroot, and have streams initialised as nodes know it."""
    triplet = f"{lock.machine}-linux-gnu"
    major = lock.gcc.partition(".")[0]
    own = next((native / "usr/lib").glob(f"gcc*/{triplet}/{major}"))
    libraries = sysroot / "usr/lib" / triplet
    for name in ("libgomp.so", "libatomic.so", "libstdc++.so"):
        found = sorted(libraries.glob(f"{name}.[0-9]")) or sorted(libraries.glob(f"{name}.*"))
        (own / name).unlink(missing_ok=True)
        if found:
            shutil.copyfile(found[0].resolve(), own / found[0].name)
            (own / name).symlink_to(found[0].name)
    shared = (own / "libstdc++.so").readlink()
    (own / "libstdc++.so").unlink()
    (own / "libstdc++.so").write_text(f"INPUT ( {shared} -lstdc++_nonshared )\n", encoding="ascii")
    os.link(own / "libstdc++.a", own / NONSHARED)
    for pattern in ("usr/*/include/c++/*/*/bits/c++config.h", "usr/include/*/c++/*/bits/c++config.h"):
        for path in native.glob(pattern):
            _as_of_old(path)


def _as_of_old(config: Path) -> None:
    """Have each object initialise the streams, as before gcc 13: an old libstdc++ does not do it by itself."""
    text = config.read_text("utf-8")
    config.write_text(text.replace(f"{_INITIALISES} 1", f"{_INITIALISES} 0"), encoding="utf-8")
