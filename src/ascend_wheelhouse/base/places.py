"""Paths as people write them: `~` and links resolved where they can be, and left as they are where not.

`pathlib` raises RuntimeError for the home of a user who does not exist, and for a link that leads to itself.
"""

from __future__ import annotations

import os
from pathlib import Path


def at_home(place: str) -> Path:
    """Return a path with its `~` replaced; that of an unknown user stays, and is then no file."""
    return Path(os.path.expanduser(place))  # noqa: PTH111 - Path.expanduser raises


def real(path: Path) -> Path:
    """Return an absolute path without links; one that leads to itself stays, and is then no file."""
    return Path(os.path.realpath(path))
