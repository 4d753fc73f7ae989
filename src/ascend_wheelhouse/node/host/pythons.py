"""CPythons of this machine by their `major.minor`: the one that runs, then those on the path that really start.

A name on the path is no proof: version managers put programs there that start no Python until one is chosen.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROGRAM = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""The name of the Python that runs this, as a person types it."""

OWN = "bin/python"
"""The Python of an environment, below its folder: a link to the node's, which may be removed or replaced later."""

_USUAL = ("/usr/local/bin", "/usr/bin")
_SECONDS = 20
_TELLING = "import sys; print(sys.implementation.name, *sys.version_info[:2])"


def running() -> str:
    """Return the version of the Python that runs this, such as `3.11`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def is_version(text: str) -> bool:
    """Whether a text names a CPython as `major.minor`; it becomes part of a program's name."""
    return re.fullmatch(r"3\.\d{1,2}", text, re.ASCII) is not None


def find(version: str) -> str:
    """Return the program of a CPython of that `major.minor`; empty where there is none, or the word is no version."""
    if not is_version(version):
        return ""
    return next((path for path in _candidates(version) if is_one(path, version)), "")


def _candidates(version: str) -> Iterator[str]:
    if version == running():
        yield sys.executable
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *_USUAL]
    for folder in dict.fromkeys(filter(os.path.isabs, folders)):
        path = Path(folder, f"python{version}")
        if os.access(path, os.X_OK):
            yield str(path)


def closed_folder(path: Path) -> str:
    """Return the folder above a file, behind its links, that only its owner or group may enter; empty where none is."""
    real = Path(os.path.realpath(path))
    return next((str(one) for one in reversed(real.parents) if not one.stat().st_mode & stat.S_IXOTH), "")


def release(path: str) -> str:
    """Return the release of a Python, such as `3.11.4`; empty where it does not start."""
    words = [path, "-I", "-S", "-c", "import sys; print(*sys.version_info[:3], sep='.')"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout.strip()


def is_one(path: str, version: str) -> bool:
    """Whether a program is a CPython of that `major.minor` and starts."""
    words = [path, "-I", "-S", "-c", _TELLING]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return False
    return done.stdout.split() == ["cpython", *version.split(".")]


def made_with(env: Path) -> str:
    """Return the version that an environment was made with, such as `3.11`; empty where its folders do not tell.

    The folder of its modules is named after it, and another version does not look there (`sysconfig`, scheme `venv`).
    """
    found = [one.parent.name.removeprefix("python") for one in env.glob("lib/python3.*/site-packages")]
    return found[0] if len(found) == 1 and is_version(found[0]) else ""


def starts(env: Path) -> bool:
    """Whether the Python that an environment was made with starts; true where nothing tells which that was."""
    version = made_with(env)
    if not version:
        return True
    if Path(sys.prefix) == env:  # it runs this
        return version == running()
    return is_one(str(env / OWN), version)
