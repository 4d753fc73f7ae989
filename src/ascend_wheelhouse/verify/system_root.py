"""A Debian system root for another architecture, from the archive that this host uses, cached in the store.

`apt` fetches with a state folder of its own and `dpkg-deb` unpacks: no installation step runs, no root
right and no emulator is needed, and it takes seconds where debootstrap takes minutes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ascend_wheelhouse.base import process, rights
from ascend_wheelhouse.base.errors import HostUnfitError, SourceUnreachableError
from ascend_wheelhouse.cells.toolchains import ARCHITECTURES
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.origins.debian import apt_command, apt_environment

RECOMMENDED = {"aarch64": "gcc-aarch64-linux-gnu", "x86_64": "gcc-x86-64-linux-gnu"}

_PACKAGES = ("libc6", "libc-bin", "libgomp1", "libstdc++6", "zlib1g", "dash", "coreutils", "util-linux")
_MOUNT_POINTS = ("proc", "sys", "dev", "dev/shm", "tmp", "verify")
_DEVICES = ("null", "zero", "random", "urandom")
_LAYOUT = "3"
_APT_SECONDS = 300


class NoSystemPythonError(HostUnfitError):
    """The archive that this host uses has no Python of the wheelhouse's version for another architecture."""


class ArchiveUnreachableError(SourceUnreachableError):
    """The package archive did not give what the system root takes."""


def system_root(machine: str, python: str, store: Path) -> Path:
    """Return a system root with the Python of the wheelhouse, made on first use.

    Raises:
        NoSystemPythonError: The archive has no such Python.
        ArchiveUnreachableError: apt could not fetch the packages.
    """
    try:
        return debian_root(machine, (f"python{python}", *_PACKAGES), store)
    except ArchiveUnreachableError as error:
        if f"locate package python{python}" not in error.why:
            raise
        raise NoSystemPythonError(
            f"No {machine} programs of Python {python} can be run here: this host's package archive has none.",
            why="Emulation lays out a Debian system; bookworm has Python 3.11 and trixie 3.13.",
            next_step=f"verify where that Python is: python{python} -I install.py --verify on a node, or "
            f"`nox -s verify` on an {machine} host",
        ) from error


def debian_root(machine: str, packages: tuple[str, ...], store: Path) -> Path:
    """Return a folder with Debian packages and all that they depend on unpacked, made on first use.

    Raises:
        ArchiveUnreachableError: apt could not fetch the packages.
    """
    identity = "\n".join((_LAYOUT, machine, *packages))
    roots = store / "roots"
    place = roots / f"{machine}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    rights.make_folder(store, roots.name)
    with _alone(roots / f"{place.name}.lock"):
        place = rights.readable(place)
        if not place.is_dir():
            with scratch(roots) as folder:
                made = _make(folder, machine, packages)
                rights.share_tree(made, roots)
                made.rename(place)
    return place


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    number = rights.lock_file(path)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _make(folder: Path, machine: str, packages: tuple[str, ...]) -> Path:
    archives = _fetch(folder, ARCHITECTURES[machine], packages)
    root = folder / "root"
    root.mkdir()
    for archive in archives:
        process.run(["dpkg-deb", "-x", archive, root])
    for name in _MOUNT_POINTS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in _DEVICES:
        (root / "dev" / name).touch()
    _write_accounts(root)
    return root


def _write_accounts(root: Path) -> None:
    etc = root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="ascii")
    (etc / "group").write_text("root:x:0:\n", encoding="ascii")
    (etc / "hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")
    (etc / "resolv.conf").unlink(missing_ok=True)


def _fetch(folder: Path, architecture: str, packages: tuple[str, ...]) -> list[Path]:
    common, environment = apt_command(folder / "apt", architecture), apt_environment()
    try:
        process.run([*common, "update"], env=environment, timeout=_APT_SECONDS)
        process.run([*common, "--download-only", "install", *packages], env=environment, timeout=_APT_SECONDS)
    except process.CommandFailedError as error:
        raise ArchiveUnreachableError(
            f"apt could not fetch the {architecture} packages of the system root.",
            why=error.tail(),
            next_step="apt-get update on this host, and check that its sources serve that architecture",
        ) from error
    return sorted((folder / "apt/cache/archives").glob("*.deb"))


def forget(store: Path) -> None:
    """Remove every cached system root."""
    shutil.rmtree(store / "roots", ignore_errors=True)
