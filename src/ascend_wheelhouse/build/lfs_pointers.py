"""Pointer files of Git LFS in a source: three lines of text where the file itself should be.

git checks them out, and hosting sites pack them, where nobody asks the LFS server. A build takes them for the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from ascend_wheelhouse.base.errors import BuildError

_LONGEST = 1024
"""Bytes: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md has a pointer be shorter."""
_SHORTEST = 100
_POINTER = re.compile(
    rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\n"
    rb"(?:[a-z0-9.-]+ [^\n]*\n)*?oid sha256:[0-9a-f]{64}\n(?:[a-z0-9.-]+ [^\n]*\n)*?size [0-9]+\n"
)
_SHOWN = 3


class LfsPointerError(BuildError):
    """A source holds pointer files of Git LFS in place of the files themselves."""


def refuse_pointers(source: Path, label: str, component: str) -> None:
    """Hold a laid-out source to hold its files, and no pointers to them.

    Args:
        source: The source folder.
        label: What it was laid out from, for the error.
        component: Whose recipe it is.

    Raises:
        LfsPointerError: There are pointers; the text names the first of them.
    """
    found = sorted(path.relative_to(source).as_posix() for path in _pointers(source))
    if not found:
        return
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise LfsPointerError(
        f"{label} holds pointer files of Git LFS in place of the files: {', '.join(found[:_SHOWN])}{more}.",
        why="git gives the pointers alone; their content is on an LFS server, and the wheel would hold the pointers.",
        next_step=(
            "have the origin of the recipe name a copy in which `git lfs migrate export` put the files, or an archive "
            f"of a clone after `git lfs pull`; folders that no wheel needs go into `clean` of recipes/{component}.toml"
        ),
    )


def _pointers(source: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(source):
        if ".git" in folders:
            folders.remove(".git")
        for name in files:
            path = Path(parent, name)
            status = path.lstat()
            if S_ISREG(status.st_mode) and _SHORTEST <= status.st_size < _LONGEST and _is_pointer(path):
                yield path


def _is_pointer(path: Path) -> bool:
    return _POINTER.match(path.read_bytes()) is not None
