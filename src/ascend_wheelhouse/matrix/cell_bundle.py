"""A cell's bundle: written once, and known again while neither the wheelhouse nor the bundle has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.node import documents, layout

_STAMP = [int]
_MANIFEST = {"complete": bool}
_STATE = {
    "asked": str,
    "manifest": documents.sha256,
    "files": {...: _STAMP},
    "size": documents.size,
    "serial": documents.size,
    "fingerprint": (str, type(None)),
    "installer": str,
}


@dataclass(frozen=True, kw_only=True)
class BundleOrder:
    """How a cell is packed.

    Args:
        out: Folder to write to.
        sign_key: OpenSSH private key to sign with; unsigned when None.
        allow_incomplete: Pack although components are pending.
        serial: The bundle's serial; rises by itself when None.
    """

    out: Path
    sign_key: Path | None = None
    allow_incomplete: bool = False
    serial: int | None = None

    @property
    def asked(self) -> str:
        """What decides the bundle of a wheelhouse."""
        words = [self.out, self.sign_key, self.serial]
        return hashlib.sha256(json.dumps(words, default=str).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class CellBundle:
    """A bundle that is there.

    Args:
        paths: Its files.
        size: Bytes of all of them.
        serial: Its serial.
        fingerprint: Who signed it; None when nobody did.
        installer: The sha256 of `install.py` in it.
    """

    paths: tuple[str, ...]
    size: int
    serial: int
    fingerprint: str | None
    installer: str


def require_packable(order: BundleOrder, folder: Path) -> None:
    """Hold the key and the serial to what a bundle can be made with, before the work that ends in one.

    Args:
        order: How each cell is packed.
        folder: Where the wheelhouses go, whose repository says the serial that is not given.

    Raises:
        SigningKeyError: The key cannot sign.
        SerialError: No serial is given, and none can be derived.
    """
    from ascend_wheelhouse.bundle import serial  # noqa: PLC0415 - a finished matrix needs none of it
    from ascend_wheelhouse.folder.signing import Signer  # noqa: PLC0415 - as above

    if order.sign_key is not None:
        Signer(order.sign_key)
    serial.decide(order.serial, next(one for one in (folder, *folder.absolute().parents) if one.is_dir()))


def bundle_cell(wheelhouse: Path, order: BundleOrder, emit: Emit) -> CellBundle:
    """Have the bundle of a wheelhouse.

    Raises:
        IncompleteError: Components are pending, and the order does not allow that.
        WheelhouseError: See `bundle_command`.
    """
    from ascend_wheelhouse.bundle.command import bundle_command  # noqa: PLC0415 - a finished matrix needs none of it

    state = wheelhouse.parent / ".state" / f"{wheelhouse.name}.bundle.json"
    if (found := _standing(state, wheelhouse, order)) is not None:
        return found
    result = bundle_command(
        wheelhouse,
        out=order.out,
        sign_key=order.sign_key,
        allow_incomplete=order.allow_incomplete,
        serial=order.serial,
        emit=emit,
    )
    bundle = CellBundle(
        paths=tuple(map(str, result.paths)),
        size=result.size,
        serial=result.serial,
        fingerprint=result.fingerprint,
        installer=result.installer,
    )
    _remember(state, wheelhouse, order, bundle)
    return bundle


def _signs_otherwise(order: BundleOrder, fingerprint: str | None) -> bool:
    """Tell whether another key lies now where the one lay that signed a bundle; one that is gone signs nothing anew."""
    if order.sign_key is None:
        return False
    from ascend_wheelhouse.folder.signing import Signer, SigningKeyError  # noqa: PLC0415 - unsigned cells need none

    try:
        return Signer(order.sign_key).fingerprint != fingerprint
    except SigningKeyError:
        return False


def _manifest_digest(wheelhouse: Path) -> str:
    return hashlib.sha256((wheelhouse / layout.MANIFEST).read_bytes()).hexdigest()


def _stamps(paths: tuple[str, ...]) -> dict[str, list[int]]:
    found = {path: Path(path).stat() for path in paths}
    return {path: [status.st_size, status.st_mtime_ns] for path, status in found.items()}


def _remember(state: Path, wheelhouse: Path, order: BundleOrder, bundle: CellBundle) -> None:
    known = {key: value for key, value in asdict(bundle).items() if key != "paths"}
    files = _stamps(bundle.paths)
    record = {"asked": order.asked, "manifest": _manifest_digest(wheelhouse), "files": files, **known}
    write_whole(state, json.dumps(record, sort_keys=True))


def _standing(state: Path, wheelhouse: Path, order: BundleOrder) -> CellBundle | None:
    """Return the bundle that an earlier run wrote, if it is of this wheelhouse and lies there as it was written.

    One that lacks components is no answer to an order that does not allow it.
    """
    try:
        record: Mapping[str, Any] = documents.read_file(state, _STATE)
        paths = tuple(record["files"])
        same = record["files"] == _stamps(paths) and record["manifest"] == _manifest_digest(wheelhouse)
        may_stand = (
            order.allow_incomplete or documents.read_file(wheelhouse / layout.MANIFEST, _MANIFEST)["complete"]
        )
    except (OSError, documents.UnsoundError):
        return None
    if (
        not (same and may_stand)
        or record["asked"] != order.asked
        or _signs_otherwise(order, record["fingerprint"])
    ):
        return None
    return CellBundle(
        paths=paths,
        **{key: record[key] for key in ("size", "serial", "fingerprint", "installer")},
    )
