"""`install.py`: all of `node/` in one file, a Python zip archive that runs as it is and imports nothing from beside it.

Its digest is what a person writes down and compares on the far side, so equal sources give equal bytes.
"""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.node import archive

NODE = Path(__file__).parents[1] / "node"


def build_installer(node: Path = NODE) -> bytes:
    """Return the bytes of `install.py`, made of the package in the folder `node`."""
    return archive.build(node)
