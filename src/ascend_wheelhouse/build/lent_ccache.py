"""ccache for an image that has none: a toolchain's own, with the loader and the libraries that it was built for.

The images that upstream builds in hold compilers of Red Hat and an old glibc. A program of Debian runs there all the
same when its own loader starts it, and the compilers that it starts know nothing of that.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse.base.errors import HostUnfitError, SourceUnreachableError
from ascend_wheelhouse.base.process import CommandFailedError, run
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.laid_out import TOOLCHAINS, mark_used
from ascend_wheelhouse.build.own_toolchains import OwnToolchains
from ascend_wheelhouse.build.target_root import unpack
from ascend_wheelhouse.build.toolchain import LENT_AT, Toolchain
from ascend_wheelhouse.locks.toolchain_lock import LockedPackage, ToolchainLock, every_toolchain
from ascend_wheelhouse.node.scratch import scratch

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
    for lock in _locks(own):
        try:
            folder = _laid(lock, own)
        except (CommandFailedError, HostUnfitError, SourceUnreachableError):
            continue  # an aid, not a need: the build goes on without it, and its run says so
        return replace(toolchain, ccache=_command(folder, LENT_AT), lent=folder)
    return toolchain


def _locks(own: OwnToolchains) -> list[ToolchainLock]:
    """Return the locks for this builder, cut down to what ccache needs: those in the store first, then the newest."""
    found = []
    for lock in every_toolchain(own.lockfiles):
        files = tuple(file for file in lock.of("compiler") if _needed(file))
        if lock.host == own.host and any(file.package == "ccache" for file in files):
            found.append(replace(lock, files=files))
    return sorted(found, key=lambda lock: (_there(lock, own), Version(lock.gcc)), reverse=True)


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
    folder = store.root / TOOLCHAINS / name
    with store.lock(f"toolchain-{name}"):
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with scratch(folder.parent) as work:
                unpack(work / "root", lock.files, store)
                run([*_command(work / "root").split(), "--version"])
                (work / "root").rename(folder)
        mark_used(folder)
    return folder


def _command(folder: Path, seen: str = "") -> str:
    """Return the command that runs a laid-out ccache, its folder seen at a place."""
    at = seen or str(folder)
    (loader,) = (path.relative_to(folder) for path in folder.glob("usr/lib/*-linux-gnu/ld-linux-*.so.*"))
    return f"{at}/{loader} --library-path {at}/{loader.parent} {at}/usr/bin/ccache"
