"""The one file that runs on a node, made of the sources of this package: a Python zip archive.

Equal sources give equal bytes: members by name, stored as they are, without times or owners. Stored also means that it
can be read: `unzip -p install.py`, or any viewer of texts.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

_HEAD = b"""\
#!/usr/bin/env python3.11
# A Python zip archive: python3.11 -I install.py --help. Its sources: unzip -l install.py
"""
_LAUNCHER = "launch.py"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = 0o100644 << 16


def build(node: Path) -> bytes:
    """Return the bytes of `install.py`.

    Args:
        node: The folder of the package that runs on a node; its `launch.py` is what is run first.
    """
    buffer = io.BytesIO()
    buffer.write(_HEAD)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, path in _members(node):
            info = zipfile.ZipInfo(name, _LONG_AGO)
            info.create_system, info.external_attr = _UNIX, _MODE
            archive.writestr(info, path.read_bytes())
    return buffer.getvalue()


def _members(node: Path) -> Iterator[tuple[str, Path]]:
    yield "__main__.py", node / _LAUNCHER
    for path in sorted(node.rglob("*.py")):
        name = path.relative_to(node).as_posix()
        if name != _LAUNCHER:
            yield f"node/{name}", path
