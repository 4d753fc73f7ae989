"""The record of a result on a cache: which files a key gave, signed with the key that signs bundles.

The form is a DSSE envelope with a type of its own, so that no signature of a bundle can pass for one of an entry, nor
the other way round. The key that it is the record of stands inside, so that entries cannot be exchanged.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ascend_wheelhouse import __version__
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.node.trust import dsse, sshsig

SCHEMA = 1
FOLDER = "results"
PAYLOAD_TYPE = "application/vnd.ascend-wheelhouse.cache-entry+json"
_ENVELOPE = {
    "payload": str,
    "payloadType": str,
    "publicKey": str,
    "signatures": [{"keyid": str, "sig": str}],
}
_ENTRY = {
    "schema": int,
    "key": documents.name,
    "files": [{"filename": documents.file_name, "size": documents.size, "sha256": documents.sha256}],
    "record": {},
    "about": {...: str},
    "tool": str,
}


class BadEntryError(Exception):
    """An entry is not to be used; the text says why."""


class UnknownKeyError(BadEntryError):
    """An entry is sound, and signed by a key that is not trusted here."""


@dataclass(frozen=True, kw_only=True)
class ResultEntry:
    """What a key gave.

    Args:
        key: The key, such as `build-...`.
        files: The files that the record names.
        record: What a store keeps under the key.
        about: What a lock names of it: component and source, or commit.
        tool: The version of this tool that wrote it.
        signed_by: The fingerprint of the key that signed it, empty before.
    """

    key: str
    files: tuple[Artifact, ...]
    record: Mapping[str, Any]
    about: Mapping[str, str] = field(default_factory=dict)
    tool: str = f"ascend-wheelhouse {__version__}"
    signed_by: str = ""

    @property
    def same_files(self) -> list[tuple[str, str]]:
        """What two entries of one key must agree in: names and digests."""
        return sorted((one.filename, one.sha256) for one in self.files)


def place(key: str) -> str:
    """Return the name of a key's entry on a cache."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{FOLDER}/{digest[:2]}/{digest}.json"


def signed(entry: ResultEntry, signer: Signer) -> bytes:
    """Return an entry as it lies on a cache."""
    table = {
        "schema": SCHEMA,
        "key": entry.key,
        "files": [vars(one) for one in entry.files],
        "record": dict(entry.record),
        "about": dict(entry.about),
        "tool": entry.tool,
    }
    payload = json.dumps(table, sort_keys=True, separators=(",", ":")).encode()
    document = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "publicKey": base64.b64encode(signer.public_key).decode(),
        "signatures": [
            {
                "keyid": signer.fingerprint,
                "sig": base64.b64encode(signer.sign_raw(dsse.pae(payload, PAYLOAD_TYPE))).decode(),
            }
        ],
    }
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def read_entry(content: bytes, key: str, trusted: Collection[str]) -> ResultEntry:
    """Return the entry of a key, which one of the trusted keys signed.

    Args:
        content: What lies on the cache.
        key: The key that was asked for.
        trusted: Fingerprints.

    Raises:
        UnknownKeyError: Another key signed it.
        BadEntryError: It is damaged, was changed, or is another key's.
    """
    payload, signer = _opened(content)
    if signer not in trusted:
        raise UnknownKeyError(f"it is signed by {signer}, which is not trusted here")
    entry = _parsed(payload, signer)
    if entry.key != key:
        raise BadEntryError(f"it is the entry of {entry.key}")
    return entry


def unproven(content: bytes) -> ResultEntry:
    """Return what an entry says, whoever signed it: for counting what is in use, never for using it.

    Raises:
        BadEntryError: It is damaged or was changed.
    """
    payload, signer = _opened(content)
    return _parsed(payload, signer)


def _opened(content: bytes) -> tuple[bytes, str]:
    """Return payload and fingerprint of an envelope whose signature is sound."""
    try:
        document = documents.read(content, _ENVELOPE)
        payload = base64.b64decode(document["payload"], validate=True)
        raw_key = base64.b64decode(document["publicKey"], validate=True)
        (signature,) = document["signatures"]
        public = Ed25519PublicKey.from_public_bytes(raw_key)
        raw = base64.b64decode(signature["sig"], validate=True)
        public.verify(raw, dsse.pae(payload, PAYLOAD_TYPE))
    except InvalidSignature:
        raise BadEntryError("its signature is not of these bytes") from None
    except ValueError as error:
        raise BadEntryError(f"it cannot be read: {error}") from error
    if document["payloadType"] != PAYLOAD_TYPE:
        raise BadEntryError("it is no entry of a cache")
    return payload, sshsig.fingerprint(raw_key)


def _parsed(payload: bytes, signer: str) -> ResultEntry:
    try:
        table = documents.read(payload, _ENTRY)
        if table["schema"] != SCHEMA:
            raise BadEntryError(f"its schema is {table['schema']}, and this version knows {SCHEMA}")
        columns = ("filename", "size", "sha256")
        files = tuple(Artifact(**{name: row[name] for name in columns}) for row in table["files"])
    except (documents.UnsoundError, IntegrityError) as error:
        raise BadEntryError(f"it cannot be read: {error}") from error
    return ResultEntry(
        key=table["key"],
        files=files,
        record=table["record"],
        about=table["about"],
        tool=table["tool"],
        signed_by=signer,
    )
