"""Wheels into a fresh virtual environment: by hash, from the wheelhouse alone, as fast as may be.

The wheelhouse's own `uv` is taken first (its wheel holds the program), then its own `pip` (a wheel runs from
its archive), then the pip of the Python that runs this. Nothing of the node's pip or uv settings is read, and
nothing is written but below the prefix.
"""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import HostUnfitError, IntegrityError
from ..reading.contents import Entry
from .command import clean_environment, run

_EXECUTABLE = 0o755
_APART = ("-P", "-m")  # the folder that a person happens to stand in is no place to import from


class BadToolError(IntegrityError):
    """The wheelhouse's own uv is not in its wheel."""


class NoInstallerError(HostUnfitError):
    """Neither the wheelhouse nor this Python has an installer."""


@dataclass(frozen=True, kw_only=True)
class Installer:
    """A program that installs wheels.

    Args:
        name: `uv` or `pip`, with where it comes from.
        uv: The `uv` program, or None.
        pip: A pip wheel, or None for the pip of the running Python.
        work: A scratch folder on the file system of the environment.
        log: Where its output goes.
    """

    name: str
    work: Path
    log: Path
    uv: Path | None = None
    pip: Path | None = None

    def sync(self, env: Path, requirements: Path, wheels: Path) -> None:
        """Install exactly the wheels that a hashed requirements file names.

        Raises:
            InstallCommandFailedError: A wheel is missing, or does not fit the hash or the node.
        """
        options: list[str | Path] = ["--no-index", "--require-hashes", *self._links(wheels)]
        if self.uv:
            self._uv("sync", env, [*options, "--no-build", requirements])
        else:
            self._pip(env, [*options, "--no-deps", "-r", requirements])

    def reinstall(self, env: Path, wheel: Entry, wheels: Path) -> None:
        """Install one wheel once more by its digest, over whatever stands there."""
        pinned = self.work / "again.txt"
        name, version = Path(wheel.path).name.split("-")[:2]
        pinned.write_text(f"{name}=={version} --hash=sha256:{wheel.sha256}\n", "ascii")
        options: list[str | Path] = ["--no-index", "--no-deps", "--require-hashes", *self._links(wheels)]
        if self.uv:
            self._uv("install", env, [*options, "--reinstall", "-r", pinned])
        else:
            self._pip(env, [*options, "--force-reinstall", "-r", pinned])

    def _links(self, wheels: Path) -> list[str]:
        """Return the options that name the wheels from where the program runs: uv ends a name at a `#` or a comma."""
        return ["--find-links", os.path.relpath(wheels, self.log.parent)]

    def _uv(self, action: str, env: Path, rest: Sequence[str | Path]) -> None:
        cache: list[str | Path] = ["--cache-dir", self.work / "cache", "--link-mode", "hardlink"]
        fixed: list[str | Path] = [
            "--offline",
            "--no-progress",
            "--no-python-downloads",
            "--python",
            env / "bin/python",
        ]
        run([self.uv or "uv", "pip", action, *fixed, *cache, *rest], log=self.log, env=clean_environment())
        (env / ".lock").unlink(missing_ok=True)  # uv's own, which every user may write

    def _pip(self, env: Path, rest: Sequence[str | Path]) -> None:
        python = env / "bin/python"
        program: list[str | Path] = [sys.executable, *_APART, "pip", "--python", python]
        if self.pip:
            program = [python, self.pip / "pip"]
        fixed = ["--isolated", "--no-input", "--no-cache-dir", "--disable-pip-version-check"]
        names = clean_environment({"PYTHONUTF8": "1"})  # those in wheels are UTF-8, whatever the locale
        run([*program, "install", *fixed, "--no-compile", *rest], log=self.log, env=names)


def choose(tools: Path, work: Path, log: Path, *, prefer: str = "uv") -> Installer:
    """Return the best installer at hand.

    Args:
        tools: The wheelhouse's folder of tool wheels; need not exist.
        work: A scratch folder.
        log: Where output goes.
        prefer: `pip` leaves the wheelhouse's uv alone.

    Raises:
        NoInstallerError: There is none at all.
    """
    uv = next(iter(sorted(tools.glob("uv-*.whl"))), None) if prefer == "uv" else None
    if uv:
        return Installer(name=f"uv of {uv.name}", uv=_unpack_uv(uv, work), work=work, log=log)
    pip = next(iter(sorted(tools.glob("pip-*.whl"))), None)
    if pip:
        return Installer(name=f"pip of {pip.name}", pip=pip, work=work, log=log)
    try:
        run([sys.executable, *_APART, "pip", "--version"], log=log)
    except HostUnfitError as error:
        raise NoInstallerError(
            "Neither the wheelhouse nor this Python has pip or uv.",
            why="The wheelhouse has no tools/ folder, and the Python of the system comes without pip.",
            next_step="use a wheelhouse with tools/, or install the system's python3-pip",
        ) from error
    return Installer(name="pip of the system", work=work, log=log)


def _unpack_uv(wheel: Path, work: Path) -> Path:
    program = work / "uv"
    try:
        with zipfile.ZipFile(wheel) as archive:
            member = next((name for name in archive.namelist() if name.endswith(".data/scripts/uv")), "")
            with archive.open(member) as source, program.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise BadToolError(
            f"{wheel.name} holds no uv that can be unpacked: {error}.",
            why="It was damaged before the bundle was made, or is another wheel.",
            next_step="--installer pip, or ask the maker of the bundle for a new one",
        ) from error
    program.chmod(_EXECUTABLE)
    return program


def create_environment(python: str, env: Path, log: Path) -> None:
    """Make an empty virtual environment at its final place, without pip: ensurepip may be missing here."""
    run([python, "-I", "-m", "venv", "--without-pip", env], log=log)
