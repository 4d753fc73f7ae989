"""The code that reads and judges wheels, as one digest: what another version read or found is not taken for this one's.

Standard library only: every run of `invoke wheelhouse` asks for it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

PROGRAM = Path(__file__).parents[1]
_PACKAGES = ("audit", "wheels")
_BESIDE = ("base/archives.py", "base/zip_member.py")
_LENGTH = 16


@cache
def digest(program: Path = PROGRAM) -> str:
    """Return the digest of the code, short enough to be part of a key.

    Args:
        program: The folder of this package.
    """
    paths = [path for name in _PACKAGES for path in (program / name).glob("*.py")]
    hasher = hashlib.sha256()
    for path in sorted([*paths, *(program / name for name in _BESIDE)]):
        hasher.update(f"\0{path.relative_to(program).as_posix()}\0".encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:_LENGTH]
