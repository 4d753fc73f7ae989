"""The time that every file of a source has, so that a build sees the same whenever it was laid out."""

from __future__ import annotations

import os
from pathlib import Path


def date_files(folder: Path, epoch: int) -> None:
    """Set the time of every file and folder below `folder`, git's own excluded."""
    for parent, folders, files in os.walk(folder, topdown=True):
        if ".git" in folders:
            folders.remove(".git")
        for name in (*files, *folders):
            os.utime(Path(parent, name), (epoch, epoch), follow_symlinks=False)
