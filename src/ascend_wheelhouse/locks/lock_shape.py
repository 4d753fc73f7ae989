"""What the files of a lock must hold beside the wheels, for which `pylock_model.py` stands."""

from __future__ import annotations

import re
from typing import Any

from packaging.version import Version

from ascend_wheelhouse.node import documents

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def version(value: object) -> bool:
    """A version of PEP 440."""
    try:
        return isinstance(value, str) and bool(Version(value))
    except ValueError:
        return False


def release(value: object) -> bool:
    """A release as upstream names it: a text that can be part of a file's name."""
    return documents.file_name(value)


def commit(value: object) -> bool:
    """A commit in full."""
    return isinstance(value, str) and _COMMIT.fullmatch(value) is not None


def folder(value: object) -> bool:
    """A folder below the source, or `.` for the source itself."""
    return value == "." or documents.path(value)


_FILE = {
    "name": documents.file_name,
    "version": version,
    "filename": documents.file_name,
    "size": documents.size,
    "sha256": documents.sha256,
    "component?": str,
    "origin?": str,
    "via?": [str],
    "note?": str,
}
_TREE: dict[str, Any] = {
    "ref": documents.name,
    "kind": str,
    "epoch": documents.size,
    "modules": [{"path": folder, "url": documents.name, "commit": commit, "sha256": documents.sha256}],
}
_BUILD = {
    "git?": _TREE,
    "archive?": {"filename": documents.file_name, "sha256": documents.sha256, "epoch?": documents.size},
    "patches?": [{"name": documents.path, "sha256": documents.sha256}],
    "repositories?": [{"path": documents.path, "git": _TREE}],
    "table?": {...: documents.sha256},
}


def build(value: object) -> bool:
    """A table of what a build starts from: a git tree or an archive, and what belongs to it."""
    if documents.fault(value, _BUILD) or not isinstance(value, dict):
        return False
    trees = [value.get("git"), *(one["git"] for one in value.get("repositories", ()))]
    whole = all(tree is None or tree["modules"] for tree in trees)
    return not value or (("git" in value) != ("archive" in value) and whole)


_SOURCE = {
    "component": documents.file_name,
    "version": release,
    "origin": str,
    "filename?": documents.file_name,
    "size?": documents.size,
    "sha256?": documents.sha256,
    "commit?": str,
    "environment?": [_FILE],
    "wheel?": _FILE,
    "build?": build,
}
_PAYLOAD = {
    "component": documents.file_name,
    "version": release,
    "filename": documents.file_name,
    "size": documents.size,
    "sha256": documents.sha256,
    "origin": str,
}
SOURCES = {"schema": int, "source?": [_SOURCE]}
PAYLOADS = {
    "schema": int,
    "payload?": [_PAYLOAD],
    "pending?": [{"component": documents.file_name, "supply": str}],
}
TOOL = {
    "schema": int,
    "stack": documents.file_name,
    "derived": bool,
    "recipes-digest": str,
    "cell": {...: str},
    "inputs": {
        "requirements?": [str],
        "constraints?": [str],
        "excludes?": [str],
        "closed?": [str],
        "exclude_newer?": str,
        "resolver?": str,
        "extra_indexes?": [{"url": documents.name, "names": [str]}],
    },
}
