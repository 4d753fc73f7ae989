"""Turns a wheelhouse into the members of a bundle: manifest with serial, signature, provenance, files.

The wheelhouse's own manifest has no serial, so that it stays equal for equal wheelhouses; the bundle's
manifest is the same with the serial added, and is what is signed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from ascend_wheelhouse.base import counting, errors
from ascend_wheelhouse.bundle import delta as deltas
from ascend_wheelhouse.bundle import serial as serials
from ascend_wheelhouse.bundle.tar import BundleMember, WheelhouseChangedError
from ascend_wheelhouse.folder import provenance
from ascend_wheelhouse.folder.manifest import NotAWheelhouseError, absent, require_whole
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import documents, layout
from ascend_wheelhouse.node.reading import strict

_SHAPE = {"tool": str, "complete": bool, "derived": bool, "components?": ([{"name": str}], NoneType)}
"""What provenance is made from, beside what every reader relies on."""


class WheelhouseIncompleteError(errors.IncompleteError):
    """A wheelhouse with pending components would be bundled."""


class OldInstallerError(errors.UsageError):
    """The wheelhouse was made when `install.py` imported what lay beside it: its digest would prove too little."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """A wheelhouse on its way into a bundle: its manifest with the serial, and its members in order."""

    manifest: dict[str, Any]
    members: tuple[BundleMember, ...]
    fingerprint: str | None
    base: deltas.Base | None

    @property
    def name(self) -> str:
        """The bundle's name without its ending."""
        name = f"{self.manifest['stack']}-{self.manifest['platform']}"
        return name if self.base is None else f"{name}.delta-{self.base.contents[:8]}"


def pack(
    wheelhouse: Path, base: Path | None, sign_key: Path | None, serial: int | None, *, allow_incomplete: bool
) -> Packing:
    """Read a wheelhouse and decide what its bundle holds; its files are read when they are written.

    Raises:
        UsageError: The wheelhouse, the key, the base or the serial is unfit.
        IncompleteError: Components are pending and `allow_incomplete` is not set.
    """
    source = _manifest(wheelhouse)
    if not source.get("complete") and not allow_incomplete:
        raise _incomplete(wheelhouse, source)
    manifest = {**source, "serial": serials.decide(serial, wheelhouse)}
    signer = Signer(sign_key) if sign_key else None
    known = deltas.read_base(base) if base else None
    return Packing(
        manifest=manifest,
        members=tuple(_members(wheelhouse, manifest, signer, known)),
        fingerprint=signer.fingerprint if signer else None,
        base=known,
    )


def _manifest(wheelhouse: Path) -> dict[str, Any]:
    path = wheelhouse / layout.MANIFEST
    if not path.is_file():
        raise absent(wheelhouse)
    require_whole(wheelhouse)
    manifest = strict.read_manifest(documents.bytes_of(path))
    if any(file["path"].startswith(layout.OLD_INSTALLER) for file in manifest["files"]):
        raise OldInstallerError(
            f"{wheelhouse} has an installer of an older form, in many files.",
            why=f"Since then {layout.INSTALLER} is one file, whose digest a person compares on the far side.",
            next_step="`invoke wheelhouse {cell}` makes it anew; then bundle",
        )
    if fault := documents.fault(manifest, _SHAPE):
        raise NotAWheelhouseError(
            f"{wheelhouse} is not a wheelhouse of this tool: {layout.MANIFEST}: {fault}.",
            why="Its manifest was changed, or written by another tool.",
            next_step="`invoke wheelhouse {cell}`, then bundle the folder that it names",
        )
    return manifest


def _incomplete(wheelhouse: Path, manifest: dict[str, Any]) -> WheelhouseIncompleteError:
    pending = manifest.get("pending", [])
    by_reason: dict[str, list[str]] = {}
    for item in pending:
        by_reason.setdefault(str(item.get("reason")), []).append(str(item.get("component")))
    supply = next((str(item["supply"]) for item in pending if item.get("supply")), "")
    return WheelhouseIncompleteError(
        f"{wheelhouse.name} is incomplete: {counting.with_verb(len(pending), 'component')} pending.",
        why="\n".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()),
        next_step=f"--allow-incomplete, if the nodes get the rest another way; or {supply or 'supply it'}",
    )


def _members(
    wheelhouse: Path, manifest: dict[str, Any], signer: Signer | None, base: deltas.Base | None
) -> Iterator[BundleMember]:
    text = (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()
    yield BundleMember.small(layout.MANIFEST, text)
    if signer:
        yield BundleMember.small(layout.SIGNATURE, signer.sign(text))
        yield BundleMember.small(layout.PROVENANCE, provenance.signed_statement(manifest, text, signer))
    files = {file["path"]: file for file in manifest["files"]}
    paths = layout.member_order(files) if base is None else deltas.carried(manifest, base)
    if base:
        yield BundleMember.small(layout.DELTA, layout.delta(base.contents, paths))
    yield BundleMember.small(layout.SUMS, layout.sums(manifest["files"]))
    for path in paths:
        file = files[path]
        if not (wheelhouse / path).is_file():  # a pipe would be waited for
            raise WheelhouseChangedError(path)
        yield BundleMember(path=path, size=file["size"], sha256=file["sha256"], content=wheelhouse / path)
