"""CANN's toolkit for building, from a `.run` that somebody handed over: no installer runs, nothing outside the store.

A toolkit's package holds one `.run` for each of its parts in `run_package`, and each part says in a list where its
files belong. They are laid out in the store as the installer lays them out, up to 8.3 as `ascend-toolkit/<version>`
with `latest`, from 8.5 on as `cann-<version>` with `cann`, and shown to a build read-only at `/opt/Ascend`. What the
parts' own scripts would do is done as far as a build needs it: the driver's stub libraries under their plain names,
Python's packages in `python/site-packages`, `set_env.sh`, and the file that tells the version.

Facts: how the packages nest was read from public build scripts that unpack CANN 8.5 to 9.2 for cross builds, which
variables `set_env.sh` sets from Ascend/cann-container-image. No original was at hand: tried on stand-ins alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse.base.archives import ZipArchive
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.build.file_list import links_out, put, put_package
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.laid_out import toolchain_folder
from ascend_wheelhouse.build.run_package import unpack_run, unsafe
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import vendored_record

COMPONENT = "cann-toolkit"
SEEN_AT = "/opt/Ascend"
_LAYOUT = 1
_NEW_LAYOUT = Version("8.5.0.dev0")
_SET_ENV = """\
# What CANN's own set_env.sh sets for a toolkit, as far as builds need it.
export ASCEND_TOOLKIT_HOME=$(cd "$(dirname "${{BASH_SOURCE:-{seen}}}")/{below}" && pwd)
export LD_LIBRARY_PATH=$ASCEND_TOOLKIT_HOME/lib64:$ASCEND_TOOLKIT_HOME/lib64/plugin/opskernel\
:$ASCEND_TOOLKIT_HOME/lib64/plugin/nnengine${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}
export PYTHONPATH=$ASCEND_TOOLKIT_HOME/python/site-packages:$ASCEND_TOOLKIT_HOME/opp/built-in/op_impl/ai_core/tbe\
${{PYTHONPATH:+:$PYTHONPATH}}
export PATH=$ASCEND_TOOLKIT_HOME/bin:$ASCEND_TOOLKIT_HOME/compiler/ccec_compiler/bin\
:$ASCEND_TOOLKIT_HOME/tools/ccec_compiler/bin${{PATH:+:$PATH}}
export ASCEND_AICPU_PATH=$ASCEND_TOOLKIT_HOME
export ASCEND_OPP_PATH=$ASCEND_TOOLKIT_HOME/opp
export TOOLCHAIN_HOME=$ASCEND_TOOLKIT_HOME/toolkit
export ASCEND_HOME_PATH=$ASCEND_TOOLKIT_HOME
"""


class NoToolkitError(IntegrityError):
    """A `.run` under a toolkit's name holds no toolkit."""


@dataclass(frozen=True, kw_only=True)
class CannPackage:
    """A toolkit's package in the store.

    Args:
        filename: Its name.
        sha256: Its digest.
        version: CANN's.
        machine: What it is for.
    """

    filename: str
    sha256: str
    version: str
    machine: str

    @property
    def home(self) -> str:
        """The toolkit's folder below Ascend's."""
        return f"cann-{self.version}" if self._new else f"ascend-toolkit/{self.version}"

    @property
    def set_env(self) -> str:
        """Its `set_env.sh`, below Ascend's folder."""
        return f"{self.home}/set_env.sh" if self._new else "ascend-toolkit/set_env.sh"

    @property
    def _new(self) -> bool:
        try:
            return Version(self.version) >= _NEW_LAYOUT
        except ValueError:
            return True

    @property
    def identity(self) -> str:
        """What goes into the key of a build and into the manifest."""
        return f"CANN {self.version} {self.machine} unpacked from sha256 {self.sha256}, layout {_LAYOUT}"


def handed_over(store: Store, version: str, machine: str) -> CannPackage | None:
    """Return the toolkit's package that was imported for a version of CANN and a machine, or None."""
    record = vendored_record(store, COMPONENT, NameFacts(version=version, machine=machine))
    if record is None or not record.filename.endswith(".run"):
        return None
    return CannPackage(filename=record.filename, sha256=record.sha256, version=version, machine=machine)


def lay_cann(package: CannPackage, store: Store) -> Path:
    """Return the Ascend folder of a package in the store, laid out on first use.

    Raises:
        BlobMissingError: The package is not in the store.
        IntegrityError: It has other bytes than its record says, is not safe to unpack, or holds no toolkit.
    """
    name = digest_of({"sha256": package.sha256, "version": package.version, "layout": _LAYOUT})[:20]

    def lay(work: Path) -> Path:
        store.check(package.sha256)
        return _lay(package, store.path(package.sha256), work)

    return toolchain_folder(store, f"cann-{name}", lay)


def _lay(package: CannPackage, run: Path, work: Path) -> Path:
    top = work / "Ascend"
    home = top / package.home
    home.mkdir(parents=True)
    outer = work / "package"
    unpack_run(run, package.filename, outer)
    parts = sorted((outer / "run_package").glob("*.run"))
    for part in parts:
        unpack_run(part, f"{package.filename}: {part.name}", work / "parts" / part.stem)
        put_package(work / "parts" / part.stem, home, f"{package.filename}: {part.name}")
    if not parts:
        put_package(outer, home, package.filename)
    _show_stubs(home, package.machine)
    _install_wheels(home, work / "wheels", package.filename)
    if out := next(links_out(top), None):
        raise unsafe(
            package.filename, f"{out.relative_to(top)} links to {out.readlink()}, out of the toolkit"
        )
    if not any((home / folder / "acl/acl.h").is_file() for folder in _headers(package)):
        raise NoToolkitError(
            f"{package.filename} holds no toolkit: acl/acl.h is nowhere in it.",
            why="It is another package of CANN under this name, or upstream packs its parts in a way not known here.",
            next_step="import the toolkit's own package: invoke vendor Ascend-cann-toolkit_VERSION_linux-MACHINE.run",
        )
    _tell(package, top)
    return top


def _headers(package: CannPackage) -> Iterable[str]:
    return ("include", f"{package.machine}-linux/include", "runtime/include", "acllib/include")


def _show_stubs(home: Path, machine: str) -> None:
    """Show the driver's stub libraries where builds look for them, as the scripts of the `runtime` part do."""
    arch = f"{machine}-linux"
    found = [
        home / f"runtime/lib64/stub/linux/{machine}",
        home / f"{arch}/devlib/linux/{machine}",
        home / f"{arch}/lib64/stub/linux/{machine}",
    ]
    stubs = {path.name: path for folder in reversed(found) for path in sorted(folder.glob("lib*.so*"))}
    for place in ("runtime/lib64/stub", f"{arch}/devlib", f"{arch}/lib64/stub"):
        for name, path in stubs.items():
            link = home / place / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(link):
                link.symlink_to(os.path.relpath(path, link.parent.resolve()))


def _install_wheels(home: Path, work: Path, filename: str) -> None:
    """Unpack the toolkit's own Python packages, as the parts' scripts have pip do it."""
    for wheel in sorted(home.rglob("*.whl")):
        name = f"{filename}: {wheel.name}"
        with ZipArchive.opened(wheel, partial(unsafe, name)) as opened:
            opened.unzip(work / wheel.stem)
        try:
            put(work / wheel.stem, home / "python/site-packages", home)
        except (ValueError, OSError) as error:
            raise unsafe(name, str(error)) from error


def _tell(package: CannPackage, top: Path) -> None:
    """Write what an installer would: the version's file, `set_env.sh`, and the further paths to the toolkit."""
    home = top / package.home
    info = home / f"{package.machine}-linux/ascend_toolkit_install.info"
    info.parent.mkdir(parents=True, exist_ok=True)
    text = f"package_name=Ascend-cann-toolkit\nversion={package.version}\narch={package.machine}\nos=linux\n"
    _write(info, text)
    old = top / "ascend-toolkit"
    old.mkdir(exist_ok=True)
    (old / "latest").symlink_to(os.path.relpath(home, old))
    if old not in home.parents:
        (top / "cann").symlink_to(home.name)
    for name in dict.fromkeys((package.set_env, "ascend-toolkit/set_env.sh")):  # images of 8.5 have both
        below = os.path.relpath(home, (top / name).parent)
        _write(top / name, _SET_ENV.format(seen=f"{SEEN_AT}/{name}", below=below))


def _write(path: Path, text: str) -> None:
    """Write a file in place of whatever the package had there; its bytes may have another name as well."""
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
