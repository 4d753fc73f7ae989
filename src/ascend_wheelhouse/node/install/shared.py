"""What an environment uses beside its own folder: the offline index and the Python below the prefix, by digest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import documents
from ..layout import MANIFEST
from ..reading.contents import ManifestError, read_contents
from . import offline_index, python_archive

PYTHON_FILES = "python_files"
"""The key of a receipt that holds the digest of each file of that Python, by its path below the prefix."""

_NAMED = re.compile(rf"/{python_archive.FOLDER}/([0-9a-f]{{16}})/")


def root_of(env: Path) -> Path:
    """Return the prefix that an environment stands below."""
    return env.parent.parent


def python_of(env: Path) -> Path | None:
    """Return the folder below the prefix of the Python that an environment was made with; None for one of the node."""
    try:
        named = _NAMED.search((env / "pyvenv.cfg").read_text(errors="replace"))
    except OSError:
        return None
    return root_of(env) / python_archive.FOLDER / named[1] if named else None


def wanted(env: Path, facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of each shared file by its absolute path.

    A receipt from before it named the files of Python has none of them; the index is told by the manifest.

    Args:
        env: The environment.
        facts: Its receipt.
    """
    root = root_of(env)
    found = {str(root / path): digest for path, digest in facts.get(PYTHON_FILES, {}).items()}
    return found | (_of_index(env, root) if "pip.conf" in facts["files"] else {})


def _of_index(env: Path, root: Path) -> dict[str, str]:
    try:
        contents = read_contents(documents.bytes_of(env / MANIFEST))
    except (OSError, ManifestError):
        return {}  # it is a file of the environment, and told as changed
    kept = offline_index.place(root, contents)
    return {str(kept / entry.path): entry.sha256 for entry in offline_index.entries(contents)}


def folders(env: Path, paths: Mapping[str, str]) -> set[Path]:
    """Return the folders that shared files stand in, each of which belongs to one index or one Python alone."""
    root = root_of(env)
    return {root.joinpath(*Path(path).relative_to(root).parts[:2]) for path in paths}
