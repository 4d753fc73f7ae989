"""Makes the environment under test: empty, from the wheelhouse alone, with the network cut off.

uv installs where it is present and pip where it is not; both read the same hashed lock and give the same
files. A wheelhouse for another architecture is unpacked from here, which is many times faster than by an
emulated installer.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.errors import HostUnfitError, VerifyError
from ascend_wheelhouse.base.interpreters import INSTALL, find_python
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.node.errors import CELL
from ascend_wheelhouse.node.install.post_install import symlink
from ascend_wheelhouse.node.verify import sealed
from ascend_wheelhouse.verify.found import FoundWheelhouse

Backend = Literal["uv", "pip"]

_INSTALL_SECONDS = 900


class InstallFailedError(VerifyError):
    """The sealed install did not succeed: the wheelhouse does not hold what its lock names."""


class NoInterpreterError(HostUnfitError):
    """The Python that the wheelhouse is for is not on this host."""


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """How commands are run while the environment is made.

    Args:
        home: A private folder for caches and configuration.
        network: Whether the network stays in reach, because this kernel refuses a namespace.
    """

    home: Path
    network: bool

    def run(self, words: Sequence[str | Path], extra: Mapping[str, str]) -> process.Finished:
        """Run a command cut off from the host's settings and, where possible, from the network."""
        self.home.mkdir(parents=True, exist_ok=True)
        environment = {**sealed.base_environment(self.home, self.home), **extra}
        prefix = [] if self.network else [sys.executable, "-I", str(Path(sealed.__file__))]
        return process.run([*prefix, *words], env=environment, cwd=self.home, timeout=_INSTALL_SECONDS)


def uv_command() -> str:
    """Return uv's path, or an empty text: the project's own first, then the host's."""
    beside = Path(sysconfig.get_path("scripts")) / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv") or ""


def interpreter(version: str) -> str:
    """Return a Python of `major.minor` that is on this host.

    Raises:
        NoInterpreterError: There is none.
    """
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return getattr(sys, "_base_executable", "") or sys.executable
    found = find_python(version)
    if found is None:
        raise NoInterpreterError(
            f"Python {version}, which the wheelhouse is for, is not on this host.",
            next_step=INSTALL.format(version=version),
        )
    return str(found)


def make(wheelhouse: FoundWheelhouse, folder: Path, *, backend: Backend, network: bool) -> None:
    """Make the environment `folder` for this machine and install the wheelhouse into it.

    Raises:
        InstallFailedError: The installer refused; its words are in the text.
        NoInterpreterError: The Python that it needs is missing.
    """
    sealed = Sealed(home=folder.parent / "install-home", network=network)
    python = interpreter(wheelhouse.python)
    sealed.run([python, "-I", "-m", "venv", "--without-pip", str(folder)], {})
    if backend == "uv":
        words = [
            *_uv_install(wheelhouse, sealed.home),
            "--python",
            str(folder / "bin" / "python"),
            "--compile-bytecode",
        ]
    else:
        words = [
            sys.executable,
            "-I",
            "-m",
            "pip",
            "--python",
            str(folder / "bin" / "python"),
            *_pip_install(wheelhouse),
        ]
    _install(sealed, words, wheelhouse)
    post_install(wheelhouse.manifest, folder / "lib" / f"python{wheelhouse.python}" / "site-packages")


def make_foreign(
    wheelhouse: FoundWheelhouse, folder: Path, *, seen_as: str, backend: Backend, network: bool
) -> None:
    """Make the environment `folder` for the wheelhouse's own machine, without running anything of it.

    Args:
        wheelhouse: What is installed.
        folder: Where the environment goes.
        seen_as: The folder's path as its own interpreter will see it; byte code carries it.
        backend: What unpacks the wheels.
        network: As for `make`.

    Raises:
        InstallFailedError: The installer refused; its words are in the text.
    """
    sealed = Sealed(home=folder.parent / "install-home", network=network)
    packages = folder / "lib" / f"python{wheelhouse.python}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(f"/usr/bin/python{wheelhouse.python}")
    (folder / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    stated = wheelhouse.manifest["cell"]
    target = Target.named(wheelhouse.machine, glibc=stated.get("glibc", ""), python=stated.get("python", ""))
    if backend == "uv":
        chosen = ["--target", str(packages), "--python-platform", f"{target.machine}-{_floor(target)}"]
        words = [*_uv_install(wheelhouse, sealed.home), *chosen, "--python", interpreter(wheelhouse.python)]
    else:
        tags = [word for platform in target.platforms for word in ("--platform", platform)]
        chosen = ["--target", str(packages), *tags, "--python-version", wheelhouse.python, "--no-compile"]
        words = [
            sys.executable,
            "-I",
            "-m",
            "pip",
            *_pip_install(wheelhouse),
            *chosen,
            "--only-binary",
            ":all:",
        ]
    _install(sealed, words, wheelhouse)
    post_install(wheelhouse.manifest, packages)
    compile_bytecode(packages, f"{seen_as}/lib/python{wheelhouse.python}/site-packages", wheelhouse.python)


def _floor(target: Target) -> str:
    return f"manylinux_{target.glibc[0]}_{target.glibc[1]}"


def compile_bytecode(packages: Path, seen_as: str, python: str) -> None:
    """Byte-compile here for a machine where that is slow; byte code does not depend on the machine."""
    words = [
        interpreter(python),
        "-I",
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        "-s",
        str(packages),
        "-p",
        seen_as,
    ]
    process.run([*words, str(packages)], check=False, timeout=_INSTALL_SECONDS)


def _uv_install(wheelhouse: FoundWheelhouse, home: Path) -> list[str]:
    return [
        *(
            uv_command(),
            "pip",
            "install",
            "--no-config",
            "--offline",
            "--no-index",
            "--no-deps",
            "--require-hashes",
        ),
        *("--cache-dir", str(home / "uv-cache"), "--no-python-downloads", "--quiet"),
        *("--find-links", str(wheelhouse.wheels), "--requirements", str(wheelhouse.requirements)),
    ]


def _pip_install(wheelhouse: FoundWheelhouse) -> list[str]:
    return [
        *(
            "--isolated",
            "install",
            "--no-index",
            "--no-deps",
            "--require-hashes",
            "--no-cache-dir",
            "--quiet",
        ),
        *("--disable-pip-version-check", "--find-links", str(wheelhouse.wheels)),
        *("--requirement", str(wheelhouse.requirements)),
    ]


def _install(sealed: Sealed, words: Sequence[str], wheelhouse: FoundWheelhouse) -> None:
    try:
        sealed.run(words, {})
    except process.CommandFailedError as error:
        raise InstallFailedError(
            f"The wheelhouse {wheelhouse.folder.name} does not install with the network cut off.",
            why=error.tail(),
            next_step=f"`invoke audit --wheelhouse {shlex.quote(str(wheelhouse.folder))}` says why; "
            f"`invoke wheelhouse {CELL}` makes it again",
        ) from error


def post_install(manifest: Mapping[str, Any], packages: Path) -> None:
    """Do what the manifest asks for after the wheels, as a node does it: so far links such as deep_ep's.

    Raises:
        UnknownActionError: A link would lead out of the environment.
    """
    for step in manifest.get("post_install", ()):
        if step["action"] == "symlink":
            symlink(packages, step["path"], step["target"])
