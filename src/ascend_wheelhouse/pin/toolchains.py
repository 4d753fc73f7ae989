"""A toolchain's packages, looked up and locked, and brought into the store while there is a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ascend_wheelhouse.base.errors import ResolveError
from ascend_wheelhouse.base.events import Emit, Stage, silent
from ascend_wheelhouse.cells.target import dotted
from ascend_wheelhouse.cells.toolchains import ARCHITECTURES, SuitePackages, SysrootPackages, ToolchainFor
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.locks.toolchain_lock import LockedPackage, Part, ToolchainLock
from ascend_wheelhouse.origins import debian
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store


class NoToolchainPythonError(ResolveError):
    """The system of a toolchain has no CPython of the nodes' version."""


class NoSysrootError(ResolveError):
    """A toolchain has no C library that wheels for such nodes can be built against."""


def sysroot_of(wanted: ToolchainFor) -> SysrootPackages:
    """Return what wheels for a toolchain's nodes are built against.

    Raises:
        NoSysrootError: Every C library of its recipe is older than the nodes'.
    """
    recipe, target = wanted.recipe, wanted.target
    sysroot = recipe.sysroot(target.glibc)
    if sysroot is None:
        known = ", ".join(one.glibc for one in recipe.sysroots)
        raise NoSysrootError(
            f"{recipe.name} has no C library for glibc {dotted(target.glibc)}.",
            why=f"It has {known}; an older one than the nodes' lacks functions that they have.",
            next_step=f"name an older --glibc, or add a [[sysroots]] table to recipes/toolchains/{recipe.name}.toml",
        )
    return sysroot


def require_python(wanted: ToolchainFor) -> None:
    """Raise where a toolchain's system lacks the CPython of its nodes.

    Raises:
        NoToolchainPythonError: It does.
    """
    recipe, python = wanted.recipe, dotted(wanted.target.python)
    if not recipe.has_python(wanted.target.python):
        raise NoToolchainPythonError(
            f"{recipe.name} has no Python {python}.",
            why=f"Its system is Debian {recipe.system.suite}, which has {', '.join(recipe.system.pythons)}: builds for "
            "another Python take the tools of a host that has it, or the recipe's image.",
            next_step=f"uv python install {python}, and build on a host of that architecture with --toolchain host",
        )


def lock_toolchain(wanted: ToolchainFor, emit: Emit = silent) -> ToolchainLock:
    """Return the lock of a toolchain: every package of its three parts, as the archive has them now.

    Args:
        wanted: The toolchain, the builder and the node.
        emit: Told of the parts.

    Raises:
        NoToolchainPythonError: Its system has no such Python.
        NoSysrootError: Every C library of its recipe is older than the nodes'.
        DebianUnknownError, DebianUnreachableError: The packages cannot be looked up.
    """
    require_python(wanted)
    recipe, target, sysroot = wanted.recipe, wanted.target, sysroot_of(wanted)
    compiler = recipe.compiler.model_copy(update={"packages": wanted.compiler})
    parts: tuple[tuple[Part, SuitePackages, str], ...] = (
        ("compiler", compiler, wanted.host),
        ("system", recipe.system, target.machine),
        ("sysroot", sysroot, target.machine),
    )
    emit(Stage(name="lock", jobs=len(parts)))
    files = [file for part in parts for file in _locked(wanted, *part)]
    return ToolchainLock(
        name=wanted.name,
        gcc=recipe.gcc,
        host=wanted.host,
        machine=target.machine,
        python=".".join(map(str, target.python)),
        glibc=sysroot.glibc,
        files=tuple(files),
    )


def _locked(
    wanted: ToolchainFor, part: Part, packages: SuitePackages, machine: str
) -> Iterator[LockedPackage]:
    names = [wanted.filled(name) for name in packages.packages]
    omitted = [wanted.filled(pattern) for pattern in packages.omit]
    for file in debian.find_packages(packages.suite, ARCHITECTURES[machine], names):
        if not any(fnmatchcase(file.package, pattern) for pattern in omitted):
            yield LockedPackage(artifact=file.artifact, part=part, place=file.place)


@dataclass(frozen=True, kw_only=True)
class ToolchainFetcher:
    """Has the packages of locked toolchains in the store.

    Args:
        store: Where to.
        http: The client of the archive.
        emit: Told of each package.
        offline: Ask no origin.
    """

    store: Store
    http: Http
    emit: Emit = silent
    offline: bool = False

    def bring(self, lock: ToolchainLock) -> None:
        """Have every package of a lock in the store.

        Raises:
            OfflineError: The store lacks some, and no origin may be asked.
            SourceUnreachableError, IntegrityError: One could not be fetched, or has other bytes.
        """
        missing = {file.sha256: file for file in lock.files if not self.store.has(file.sha256)}
        if not missing:
            return
        base = "" if self.offline else debian.archive_url()
        downloads = [Download.of(file.artifact, urls=(f"{base}/{file.place}",)) for file in missing.values()]
        fetch_all(downloads, self.store, self.emit, http=self.http, offline=self.offline)
