"""OpenSSH's wire form of Ed25519 keys and signatures: read strictly, written back to the byte.

Sources: OpenSSH's PROTOCOL.sshsig; RFC 4251, section 5, for strings; RFC 8709 for the Ed25519 key and
signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from .. import errors
from . import ed25519

NAMESPACE: Final = "ascend-wheelhouse"
KEY_KIND: Final = "ssh-ed25519"
HASH: Final = "sha512"
DO_NOT_USE: Final = "do not use this bundle; copy it again, or ask its maker for a new one"
_MAGIC = b"SSHSIG"
_PREAMBLE = _MAGIC + b"\0\0\0\1"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_LINE = 70


class BadSignatureError(errors.IntegrityError):
    """The signature is damaged, or is not one of this manifest."""


@dataclass(frozen=True, kw_only=True)
class SshSignature:
    """A parsed OpenSSH signature: the 32-byte key, the hash's name and the 64 signature bytes."""

    key: bytes
    hash_name: str
    raw: bytes


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a 32-byte Ed25519 key as `ssh-keygen -l` shows it."""
    digest = hashlib.sha256(key_blob(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def key_blob(key: bytes) -> bytes:
    """Return a 32-byte Ed25519 key in OpenSSH's wire form."""
    return _string(KEY_KIND.encode()) + _string(key)


def public_line(key: bytes) -> str:
    """Return a key as a `.pub` line without comment."""
    return f"{KEY_KIND} {base64.b64encode(key_blob(key)).decode()}"


def parse(armoured: bytes) -> SshSignature:
    """Read a signature file, in the one form that `ssh-keygen` writes.

    Raises:
        BadSignatureError: It is not an Ed25519 signature of our namespace in that form.
    """
    try:
        body = armoured.decode("ascii").removeprefix(f"{_BEGIN}\n").removesuffix(f"\n{_END}\n")
        blob = base64.b64decode(body.replace("\n", ""), validate=True)
        public, namespace, _, hash_name, signed = strings(blob.removeprefix(_PREAMBLE), 5)
        (kind, key), (signed_kind, raw) = strings(public, 2), strings(signed, 2)
        names = [name.decode("ascii") for name in (kind, signed_kind, namespace, hash_name)]
    except (ValueError, binascii.Error) as error:
        raise _unreadable() from error
    whole = blob.startswith(_PREAMBLE) and armour(blob) == armoured
    if not whole or names[:3] != [KEY_KIND, KEY_KIND, NAMESPACE]:
        raise _unreadable()
    return SshSignature(key=key, hash_name=names[3], raw=raw)


def _unreadable() -> BadSignatureError:
    return BadSignatureError(
        "manifest.json.sig is not a signature that ssh-keygen made for a wheelhouse.",
        why=f"It must be an Ed25519 signature of the namespace {NAMESPACE!r}; this one is damaged.",
        next_step=DO_NOT_USE,
    )


def armour(blob: bytes) -> bytes:
    """Return a signature blob in the text form of `ssh-keygen`."""
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([_BEGIN, *lines, _END, ""]).encode()


def to_sign(message: bytes, hash_name: str = HASH) -> bytes:
    """Return the bytes that the Ed25519 key signs for a message."""
    digest = hashlib.new(hash_name, message).digest()
    parts = (NAMESPACE.encode(), b"", hash_name.encode(), digest)
    return _MAGIC + b"".join(map(_string, parts))


def file_of(key: bytes, raw: bytes) -> bytes:
    """Return the signature file for a 32-byte key and the 64 signature bytes over `to_sign`."""
    signed = _string(KEY_KIND.encode()) + _string(raw)
    parts = (key_blob(key), NAMESPACE.encode(), b"", HASH.encode(), signed)
    return armour(_PREAMBLE + b"".join(map(_string, parts)))


def verify_in_python(message: bytes, signature: SshSignature) -> bool:
    """Check an OpenSSH signature without `ssh-keygen`; hashes other than SHA-512 and SHA-256 are refused."""
    if signature.hash_name not in ("sha512", "sha256"):
        return False
    return ed25519.verify(signature.key, to_sign(message, signature.hash_name), signature.raw)


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def strings(blob: bytes, count: int) -> list[bytes]:
    """Return the `count` strings that a blob is made of.

    Raises:
        ValueError: It is cut short or holds more.
    """
    found = []
    for _ in range(count):
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            raise ValueError
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    if blob:
        raise ValueError
    return found
