"""What the hosts of a farm must have in common: this tool, Python and Dask, each of one version.

A checkout keeps one release number over many changes, and a worker one commit behind would build by other rules: so the
tool's version is the release and a digest of its source text. What hosts send each other is pickled by Dask, which
promises nothing between versions of its own or of Python.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_TOP = Path(__file__).parents[1]
_LENGTH = 12


@cache
def own_version() -> str:
    """Return what this host is known by, such as `0.1.0+0123456789ab-py3.11-dask2026.7.1`."""
    known = facts()
    dask = f"dask{known['Dask']}" if known["Dask"] else "no-dask"
    return f"{known['tool']}-py{known['Python']}-{dask}"


def facts() -> dict[str, str]:
    """Return what both sides must have in common: this tool, Python and Dask, each with its version."""
    return {
        "tool": tool_version(),
        "Python": "{}.{}".format(*sys.version_info),
        "Dask": _release("distributed"),
    }


@cache
def tool_version() -> str:
    """Return `release+digest` of the tool that runs."""
    release = _release("ascend-wheelhouse") or "0"
    digest = hashlib.sha256()
    for path in sorted(_TOP.rglob("[!.]*.py")):  # an editor's link to nowhere is hidden
        digest.update(f"{path.relative_to(_TOP)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{release}+{digest.hexdigest()[:_LENGTH]}"


def _release(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
