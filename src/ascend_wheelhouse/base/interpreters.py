"""CPythons of this host by their `major.minor`: on the path, then those that uv or pyenv keeps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import uv

from ascend_wheelhouse.base.places import at_home
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.node.host import pythons

INSTALL = "uv python install {version}, or the system's python{version} with its headers"
"""What brings one to a host that has none."""


def find_python(version: str) -> Path | None:
    """Return the program of a CPython `major.minor`, or None where this host has none."""
    if found := pythons.find(version):
        return Path(found)
    return next((path for path in _kept(version) if pythons.is_one(str(path), version)), None)


def _kept(version: str) -> Iterator[Path]:
    words = ["python", "find", "--no-project", "--offline", "--managed-python", version]
    done = run([uv.find_uv_bin(), *words], check=False)
    if done.status == 0:
        yield Path(done.stdout.strip())
    root = at_home(os.environ.get("PYENV_ROOT") or "~/.pyenv")
    with suppress(OSError):  # of another user, as `su` without `-` leaves the variables
        yield from sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
