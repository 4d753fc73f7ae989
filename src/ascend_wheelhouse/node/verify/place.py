"""Where a report goes, tried before the first probe: an hour of probes is not lost to a mistyped path."""

from __future__ import annotations

import tempfile
from pathlib import Path


def require_writable(folder: Path) -> None:
    """Make a folder and write a file in it that is gone again.

    Raises:
        OSError: It cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".report-"):
        pass
