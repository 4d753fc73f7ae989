"""Whether something is there for this user: a place that may not be looked into counts as empty.

`Path.exists` and its kin raise an error where a folder on the way is closed to the user, and drivers and toolkits often
are installed for one group alone.
"""

from __future__ import annotations

import os
from pathlib import Path


def is_file(path: Path) -> bool:
    """Tell whether a file is seen there, or behind a link."""
    return os.path.isfile(path)  # noqa: PTH113 - see the module


def is_folder(path: Path) -> bool:
    """Tell whether a folder is seen there, or behind a link."""
    return os.path.isdir(path)  # noqa: PTH112 - see the module


def is_there(path: Path) -> bool:
    """Tell whether anything is seen there."""
    return os.path.exists(path)  # noqa: PTH110 - see the module


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return what is seen below a folder by a pattern of names, sorted."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []
