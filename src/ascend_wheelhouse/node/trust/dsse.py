"""The provenance envelope on a node: an in-toto statement under a raw Ed25519 signature (DSSE 1.0)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Final

from . import ed25519
from .sshsig import DO_NOT_USE, BadSignatureError, fingerprint

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Return DSSE's pre-authentication encoding of a payload, an in-toto one by default: what its signature covers."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def check_provenance(document_bytes: bytes, key: bytes, manifest: bytes) -> None:
    """Check that the provenance is signed by `key` and speaks of this manifest.

    Raises:
        BadSignatureError: It is damaged, by another key, or about another manifest.
    """
    try:
        document = json.loads(document_bytes)
        (signature,) = document["signatures"]
        payload = base64.b64decode(document["payload"], validate=True)
        canonical = document_bytes == envelope(
            payload, base64.b64decode(signature["sig"], validate=True), key
        )
        sound = ed25519.verify(key, pae(payload), base64.b64decode(signature["sig"], validate=True))
        subjects = {item["name"]: item["digest"]["sha256"] for item in json.loads(payload)["subject"]}
        about = subjects["manifest.json"] == hashlib.sha256(manifest).hexdigest()
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _bad_provenance("it cannot be read") from error
    if not (canonical and sound):
        raise _bad_provenance("it was changed, or signed by another key than the manifest")
    if not about:
        raise _bad_provenance("it speaks of another manifest")


def envelope(payload: bytes, signature: bytes, key: bytes) -> bytes:
    """Return the DSSE envelope of an in-toto payload, in the one form that bundles carry."""
    document = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": fingerprint(key), "sig": base64.b64encode(signature).decode()}],
    }
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _bad_provenance(why: str) -> BadSignatureError:
    return BadSignatureError(f"provenance.dsse.json is not sound: {why}.", next_step=DO_NOT_USE)
