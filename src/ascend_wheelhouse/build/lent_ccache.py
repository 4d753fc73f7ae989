"""ccache for an image that has none: a toolchain's own, with the loader and the libraries that it was built for.

The images that upstream builds in hold compilers of Red Hat and an old glibc. A program of Debian runs there all the
same when its own loader starts it, and the compilers that it starts know nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse.base.errors import HostUnfitError, SourceUnreachableError
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.process import CommandFailedError, run
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.laid_out import toolchain_folder
from ascend_wheelhouse.build.own_toolchains import OwnToolchains
from ascend_wheelhouse.build.target_root import unpack
from ascend_wheelhouse.build.toolchain import LENT_AT, Toolchain
from ascend_wheelhouse.locks.toolchain_lock import FOLDER, LockedPackage, ToolchainLock, read_toolchain

# ccache and what its releases of Debian 11, 12 and 13 depend on
_NEEDS = (
    *("ccache", "libc6", "libgcc-s1", "libstdc*6", "libzstd1", "zlib1g"),
    *("libfmt*", "libhiredis*", "libssl*", "libxxhash0"),
)


def with_lent(toolchain: Toolchain, own: OwnToolchains) -> Toolchain:
    """Return tools of an image with the ccache of one of our toolchains; unchanged where none can be had.

    Args:
        toolchain: The tools, which lack one.
        own: Our toolchains; the few packages that are needed are fetched where origins may be asked.

    Raises:
        IntegrityError: A package has other bytes than its lock says.
    """
    lock = max(_locks(own), key=lambda one: (_there(one, own), Version(one.gcc)), default=None)
    if lock is None:
        return toolchain
    try:
        folder = _laid(lock, own)
    except (CommandFailedError, HostUnfitError, SourceUnreachableError):
        return toolchain  # an aid, not a need: the build goes on without it, and its run says so
    return replace(toolchain, ccache=_command(folder, LENT_AT), lent=folder)


def _locks(own: OwnToolchains) -> Iterator[ToolchainLock]:
    """Yield the locks for this builder that have a ccache, cut down to what it needs."""
    names = Layered.of(own.lockfiles).below(FOLDER).named(f"*.{own.host}-for-*.toml")
    for lock in (read_toolchain(own.lockfiles, path.stem) for path in names.values()):
        files = tuple(file for file in lock.of("compiler") if _needed(file)) if lock else ()
        if lock and any(file.package == "ccache" for file in files):
            yield replace(lock, files=files)


def _there(lock: ToolchainLock, own: OwnToolchains) -> bool:
    return all(own.store.has(file.sha256) for file in lock.files)


def _needed(file: LockedPackage) -> bool:
    return any(fnmatchcase(file.package, pattern) for pattern in _NEEDS)


def _laid(lock: ToolchainLock, own: OwnToolchains) -> Path:
    """Return the folder of a toolchain's ccache, laid out on first use.

    Raises:
        SourceUnreachableError: A package cannot be had.
        HostUnfitError: A package cannot be unpacked here, or what is in it does not run.
    """
    own.bring(lock)
    store = own.store
    if not _there(lock, own):
        raise SourceUnreachableError(f"The ccache of {lock.name} is not in the store.")
    name = f"ccache-{digest_of({'files': sorted(file.sha256 for file in lock.files)})[:20]}"

    def lay(work: Path) -> Path:
        unpack(work / "root", lock.files, store)
        run([*_command(work / "root").split(), "--version"])
        return work / "root"

    return toolchain_folder(store, name, lay)


def _command(folder: Path, seen: str = "") -> str:
    """Return the command that runs a laid-out ccache, its folder seen at a place."""
    at = seen or str(folder)
    (loader,) = (path.relative_to(folder) for path in folder.glob("usr/lib/*-linux-gnu/ld-linux-*.so.*"))
    return f"{at}/{loader} --library-path {at}/{loader.parent} {at}/usr/bin/ccache"
