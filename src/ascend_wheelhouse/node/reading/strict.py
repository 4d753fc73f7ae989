"""The JSON of a bundle, read so strictly that a layout can be computed from it before anything is proven."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .. import documents, layout
from ..errors import IntegrityError
from ..trust import sshsig
from .contents import SCHEMA, SHAPE
from .sources import BundleDamagedError

_LARGEST_FILE = 1 << 40
_SHA256 = re.compile(r"[0-9a-f]{64}")


_SHOWN = 60


class NewerBundleError(IntegrityError):
    """A wheelhouse or bundle has a schema that this version does not know; nothing of it was proven."""


def read_manifest(text: bytes) -> dict[str, Any]:
    """Read a manifest strictly: no key or file twice, only sound paths, sizes and digests.

    Raises:
        IntegrityError: It is not a manifest that this reader can trust its layout to.
    """
    manifest = read_object(text, layout.MANIFEST)
    _require_known(manifest, layout.MANIFEST)
    files = manifest.get("files")
    if manifest.get("schema") != 1 or not isinstance(files, list) or not all(map(_is_entry, files)):
        raise damaged(f"{layout.MANIFEST} is not of schema 1, or has a file without path, size or sha256")
    if not documents.size(manifest.get("serial", 0)):
        raise damaged(f"{layout.MANIFEST} has a serial that is no number")
    if fault := documents.fault(manifest, SHAPE):
        raise damaged(f"{layout.MANIFEST}: {fault}")
    paths = [entry["path"] for entry in files]
    for path in paths:
        layout.check_path(path)
    folders = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "/"}
    if len({*paths, *layout.RESERVED}) != len(paths) + len(layout.RESERVED) or folders & set(paths):
        raise damaged(f"{layout.MANIFEST} names a file twice, or one that is also a folder")
    return manifest


def read_delta(text: bytes, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a delta says: the contents of its base, and the paths that it carries itself."""
    delta = read_object(text, layout.DELTA)
    _require_known(delta, layout.DELTA)
    carried, paths = delta.get("carried"), {entry["path"] for entry in manifest["files"]}
    sound = isinstance(carried, list) and all(isinstance(path, str) and path in paths for path in carried)
    if not sound or delta.get("schema") != 1 or text != layout.delta(str(delta.get("base")), carried or []):
        raise damaged(f"{layout.DELTA} is not one that belongs to this {layout.MANIFEST}")
    return delta


def _require_known(document: Mapping[str, Any], name: str) -> None:
    schema = document.get("schema")
    if type(schema) is int and schema > SCHEMA:
        tool = document.get("tool")
        maker = f", {tool[:_SHOWN]}" if isinstance(tool, str) and tool else ""
        raise NewerBundleError(
            f"{name} has schema {schema}; this version of ascend-wheelhouse reads {SCHEMA}.",
            why=f"A newer version made it{maker}. Nothing of it was proven.",
            next_step="use the install.py of this wheelhouse (`tar -xf BUNDLE install.py`, and compare its digest), "
            "or update ascend-wheelhouse on this host",
        )


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("path"), str)
        and type(entry.get("size")) is int
        and 0 <= entry["size"] <= _LARGEST_FILE
        and isinstance(entry.get("sha256"), str)
        and _SHA256.fullmatch(entry["sha256"]) is not None
    )


def read_object(text: bytes, name: str) -> dict[str, Any]:
    """Read a JSON object in which no key appears twice.

    Raises:
        IntegrityError: It is not one.
    """
    try:
        document = documents.parse(text)
    except documents.UnsoundError as error:
        raise damaged(f"{name} is {error}") from error
    if not isinstance(document, dict):
        raise damaged(f"{name} is not a JSON object")
    return document


def damaged(what: str) -> BundleDamagedError:
    """Return the error for a bundle that is not sound, and why."""
    return BundleDamagedError(f"The bundle is not sound: {what}.", next_step=sshsig.DO_NOT_USE)
