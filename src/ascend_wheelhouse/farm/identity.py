"""Which version of this tool a host has: the release, and a digest of its source text.

A checkout keeps one release number over many changes, and a worker one commit behind would build by other rules.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_TOP = Path(__file__).parents[1]
_LENGTH = 12


@cache
def own_version() -> str:
    """Return `release+digest` of the tool that runs."""
    try:
        release = version("ascend-wheelhouse")
    except PackageNotFoundError:
        release = "0"
    digest = hashlib.sha256()
    for path in sorted(_TOP.rglob("*.py")):
        digest.update(f"{path.relative_to(_TOP)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{release}+{digest.hexdigest()[:_LENGTH]}"
