"""Where this code lies: a folder in the source tree, or `install.py`, one file, on a node.

A process of another Python, such as a probe, is started from files. Those are written afresh, from the archive that is
running, into a folder of its own that nobody else writes to.
"""

from __future__ import annotations

import shlex
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from . import archive
from .layout import MANIFEST

PACKAGE = Path(__file__).resolve().parent
_ABOVE = PACKAGE.parent
_ARCHIVE = _ABOVE if _ABOVE.is_file() else None

HOME = _ARCHIVE.parent if _ARCHIVE else _ABOVE
"""The folder that `install.py` stands in: a wheelhouse, where it was not taken out of one."""

_ENVIRONMENT = "pyvenv.cfg"
"""What tells a virtual environment, to Python itself too (PEP 405)."""

THIS = f"python{sys.version_info.major}.{sys.version_info.minor} -I install.py"
"""What a command that a message proposes begins with."""


def in_environment() -> bool:
    """Whether the installer is the one that an installed environment keeps, beside its manifest."""
    return (HOME / _ENVIRONMENT).exists()


def in_wheelhouse() -> bool:
    """Whether the installer stands at the top of a wheelhouse."""
    return (HOME / MANIFEST).is_file() and not in_environment()


def with_bundle(words: Sequence[str]) -> str:
    """Return the command that installs with some words, a bundle among them where the installer stands in none."""
    beside = [] if in_wheelhouse() else ["--bundle", _beside()]
    return f"{THIS} {shlex.join([*beside, *words])}"


def _beside() -> str:
    """Return the name of the one bundle that lies beside the installer, as it does once that was taken out of it."""
    found = [path.name for path in HOME.glob("*.tar")] + [path.name for path in HOME.glob("*.tar.001")]
    return found[0] if len(found) == 1 else "BUNDLE.tar"


def as_files(target: Path) -> Path:
    """Return a folder with the files of this package: itself, or what is unpacked from `install.py`.

    Args:
        target: An empty folder for them, of this process alone.
    """
    if _ARCHIVE is None:
        return PACKAGE
    with zipfile.ZipFile(_ARCHIVE) as opened:
        prefix = f"{PACKAGE.name}/"
        opened.extractall(target, [name for name in opened.namelist() if name.startswith(prefix)])
    return target / PACKAGE.name


def as_archive() -> bytes:
    """Return `install.py` as it runs; in the source tree, as it would be made of it."""
    return _ARCHIVE.read_bytes() if _ARCHIVE else archive.build(PACKAGE)
