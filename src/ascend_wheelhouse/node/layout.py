"""Where every byte of a bundle must be: the one tar that a list of paths and sizes can have.

A bundle is a plain POSIX tar with no freedom left in it: order, mode, owner and time are fixed, so the header
of a member follows from its path and size alone. The reader therefore never interprets headers that it was
given: it computes the ones that must be there and compares. Writer and reader share this module.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from . import errors

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.json.sig"
PROVENANCE: Final = "provenance.dsse.json"
DELTA: Final = "delta.json"
SUMS: Final = "SHA256SUMS"
INSTALLER: Final = "install.py"
OLD_INSTALLER: Final = "node/"
"""Where older wheelhouses keep the modules that their `install.py` imports; newer ones have them within it."""

HEAD: Final = (MANIFEST, SIGNATURE, PROVENANCE, DELTA)
RESERVED: Final = (*HEAD, SUMS)

BLOCK: Final = 512
TRAILER: Final = bytes(2 * BLOCK)
_LONGEST_NAME = 100
_LARGEST_OCTAL = 8**11 - 1
_LONGEST_PATH = 1024
_COMPONENT = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.,!=@~ -]*")


class HostilePathError(errors.IntegrityError):
    """A path that could leave the folder it is unpacked into, or that no wheelhouse has."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The bundle names the path {path!r}, which is not allowed.",
            why="Paths in a bundle are relative, of plain ASCII, without '..', links or hidden names;"
            " anything else may be an attempt to write outside the target.",
            next_step="do not use this bundle; ask its maker for a new one and compare key fingerprints",
        )


def check_path(path: str) -> None:
    """Refuse a path that is not plainly inside the wheelhouse.

    Raises:
        HostilePathError: It is absolute, climbs, hides, or holds a byte that a shell or terminal would act
            on.
    """
    parts = path.split("/")
    if len(path) > _LONGEST_PATH or not all(_COMPONENT.fullmatch(part) for part in parts):
        raise HostilePathError(path)


def padding(size: int) -> int:
    """Return how many zero bytes follow `size` bytes of content."""
    return -size % BLOCK


def header(path: str, size: int) -> bytes:
    """Return the header of a member: 512 bytes, or 1536 for a long path or more than 8 GiB (a pax record)."""
    records = b""
    if len(path) > _LONGEST_NAME:
        records += _pax_record("path", path)
    if size > _LARGEST_OCTAL:
        records += _pax_record("size", str(size))
    name, field = path[:_LONGEST_NAME], size if size <= _LARGEST_OCTAL else 0
    if not records:
        return _ustar(name, field, b"0")
    extended = _ustar("././@PaxHeader", len(records), b"x")
    return extended + records + bytes(padding(len(records))) + _ustar(name, field, b"0")


def _pax_record(key: str, value: str) -> bytes:
    rest = f" {key}={value}\n"
    length = len(rest) + len(str(len(rest)))
    if len(str(length)) != len(str(len(rest))):
        length = len(rest) + len(str(length))
    return f"{length}{rest}".encode("ascii")


def _ustar(name: str, size: int, kind: bytes) -> bytes:
    block = bytearray(BLOCK)
    for start, value in (
        (0, name.encode("ascii")),
        (100, b"0000644\x000000000\x000000000\x00"),
        (124, b"%011o\x0000000000000\x00" % size),
        (148, b" " * 8),
        (156, kind),
        (257, b"ustar\x0000"),
        (329, b"0000000\x000000000\x00"),
    ):
        block[start : start + len(value)] = value
    block[148:156] = b"%06o\x00 " % sum(block)
    return bytes(block)


def size_in(block: bytes) -> int | None:
    """Return the size that a 512-byte header states, or None where it states none."""
    text = block[124:135]
    return int(text, 8) if re.fullmatch(rb"[0-7]{11}", text) else None


def member_order(paths: Iterable[str]) -> list[str]:
    """Return paths as a bundle holds them: what starts an installation first, then the rest by name."""
    return sorted(paths, key=lambda path: (path != INSTALLER, not path.startswith(OLD_INSTALLER), path))


def installer_digest(files: Sequence[Mapping[str, Any]]) -> str:
    """Return the sha256 of `install.py` as a manifest's files state it; empty where it is not the whole installer."""
    digests = {str(file["path"]): str(file["sha256"]) for file in files}
    return "" if any(path.startswith(OLD_INSTALLER) for path in digests) else digests.get(INSTALLER, "")


def sums(files: Sequence[Mapping[str, Any]]) -> bytes:
    """Return `SHA256SUMS` for the files of a manifest, as `sha256sum --check` reads it."""
    lines = sorted((str(file["path"]), str(file["sha256"])) for file in files)
    return "".join(f"{digest}  {path}\n" for path, digest in lines).encode()


def delta(base: str, carried: Sequence[str]) -> bytes:
    """Return `delta.json`: the contents digest of the base, and the paths that the delta carries itself."""
    document = {"base": base, "carried": member_order(carried), "schema": 1}
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def contents_digest(files: Sequence[Mapping[str, Any]]) -> str:
    """Return one digest for the whole content: equal for equal files, whatever serial or key they carry."""
    return hashlib.sha256(sums(files)).hexdigest()
