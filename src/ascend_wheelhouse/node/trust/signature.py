"""Who signed a manifest, and whether this node trusts them.

A manifest is signed with `ssh-keygen -Y sign -n ascend-wheelhouse` and an Ed25519 key. `ssh-keygen -Y verify`
checks it, beside plain Python; where a node has none, or one that cannot say, plain Python does alone.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

from .. import errors
from ..scratch import scratch
from .sshsig import (
    DO_NOT_USE,
    KEY_KIND,
    NAMESPACE,
    BadSignatureError,
    SshSignature,
    fingerprint,
    parse,
    public_line,
    strings,
    verify_in_python,
)

_LONGEST = 1 << 20
"""Bytes of a file of public keys that are read."""

_SECONDS = 20
_REFUSALS = (b"Could not verify signature", b"Couldn't verify signature", b"Signature verification failed")
"""What `ssh-keygen -Y verify` says of a signature that it refuses."""


class UnsignedError(errors.IntegrityError):
    """The bundle carries no signature."""


class WrongKeyError(errors.IntegrityError):
    """The signature is sound but by a key that is not trusted here."""


class NoTrustedKeyError(errors.IntegrityError):
    """Nobody said which key to trust."""


class TrustedKeyError(errors.UsageError):
    """What was given as the trusted key is none."""


def check(message: bytes, armoured: bytes, trusted: frozenset[str] | None) -> bytes:
    """Check the signature of a manifest and return the 32-byte key that made it.

    Args:
        message: The manifest's bytes.
        armoured: The signature file's bytes.
        trusted: Fingerprints of the keys to accept; None accepts any key and says only that the signature is
            sound.

    Raises:
        WrongKeyError: The key is not among the trusted ones.
        BadSignatureError: The signature does not belong to this manifest.
    """
    signature = parse(armoured)
    if trusted is not None and fingerprint(signature.key) not in trusted:
        raise WrongKeyError(
            f"The bundle is signed by the key {fingerprint(signature.key)}, which is not trusted here.",
            why=f"Trusted: {', '.join(sorted(trusted))}.",
            next_step="ask the maker of the bundle, by another way, which key is theirs",
        )
    if not _sound(message, armoured, signature):
        raise BadSignatureError(
            "The signature does not belong to this manifest.",
            why="manifest.json or manifest.json.sig was changed after signing.",
            next_step=DO_NOT_USE,
        )
    return signature.key


def unsigned() -> UnsignedError:
    """Return the error for a bundle that nobody signed."""
    return UnsignedError(
        "The bundle is not signed.",
        why="Anybody could have made or changed it.",
        next_step="ask its maker for one that is packed with --sign-key",
    )


def no_trusted_key(signer: str | None) -> NoTrustedKeyError:
    """Return the error for a signed bundle on a node that knows no key."""
    return NoTrustedKeyError(
        f"The bundle is signed by the key {signer}, and nobody said that this key is to be trusted.",
        why="A signature proves nothing unless the key is known by another way than the bundle itself.",
        next_step="compare the fingerprint with the maker's, then --trusted-key FILE.pub or SHA256:...",
    )


def _sound(message: bytes, armoured: bytes, signature: SshSignature) -> bool:
    """Tell whether a signature is sound: to plain Python, and to `ssh-keygen` where the node has one that answers."""
    program = shutil.which("ssh-keygen")
    sound = verify_in_python(message, signature)
    if not sound or program is None:
        return sound
    with (
        contextlib.suppress(OSError),
        scratch() as folder,
    ):  # it is not asked where its files cannot be written
        signers, file = folder / "allowed_signers", folder / "signature"
        signers.write_text(f'{NAMESPACE} namespaces="{NAMESPACE}" {public_line(signature.key)}\n')
        file.write_bytes(armoured)
        words = ["-Y", "verify", "-f", str(signers), "-I", NAMESPACE, "-n", NAMESPACE, "-s", str(file)]
        return not _refused([program, *words], message)
    return sound


def _refused(command: list[str], message: bytes) -> bool:
    """Tell whether `ssh-keygen` refuses a signature in its own words.

    One that fails for another reason says nothing of the signature: it is older than 8.2, lacks a library, gives no
    answer, or finds no name for the user.
    """
    surroundings = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, input=message, capture_output=True, check=False, timeout=_SECONDS, env=surroundings
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    told = done.stdout + done.stderr
    return done.returncode != 0 and any(verdict in told for verdict in _REFUSALS)


def trusted_fingerprints(trusted_key: str | Path) -> frozenset[str]:
    """Return the fingerprints that `--trusted-key` stands for.

    Args:
        trusted_key: `SHA256:...`, or a file of public keys: a `.pub` file or an `allowed_signers` file.

    Raises:
        TrustedKeyError: The file is missing or holds no Ed25519 key, or a line carries a rule that is not
            checked.
    """
    if re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", str(trusted_key)):
        return frozenset({str(trusted_key)})
    if str(trusted_key).startswith("SHA256:") and not Path(trusted_key).exists():
        raise TrustedKeyError(
            f"{str(trusted_key)!r} is no fingerprint of a key.",
            why="One is SHA256: and 43 letters, digits, + or /, as it was shown where the bundle was made.",
            next_step="ssh-keygen -lf KEY.pub, on the host that has the key, shows it",
        )
    try:
        with Path(trusted_key).open("rb") as stream:  # a shell's `<(...)` may give it
            lines = (
                stream.read(_LONGEST).decode("utf-8-sig").splitlines()
            )  # as editors of Windows begin a file
    except (OSError, UnicodeDecodeError) as error:
        raise TrustedKeyError(
            f"The trusted key {str(trusted_key)!r} cannot be read.",
            why=str(error),
            next_step="--trusted-key FILE.pub, or the SHA256:... that was shown where the bundle was made",
        ) from error
    kept = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    found = frozenset(fingerprint(_key_of(line, trusted_key)) for line in kept)
    if not found:
        raise TrustedKeyError(f"{trusted_key} holds no public key.", next_step="--trusted-key FILE.pub")
    return found


def _names_wheelhouses(namespaces: str) -> bool:
    """Tell whether a list of patterns, as OpenSSH reads one, has the namespace of bundles and does not exclude it."""
    patterns = namespaces.split(",")
    excluded = any(fnmatchcase(NAMESPACE, one[1:]) for one in patterns if one.startswith("!"))
    return not excluded and any(fnmatchcase(NAMESPACE, one) for one in patterns)


def _key_of(line: str, origin: str | Path) -> bytes:
    match = re.search(rf'(?:^|(?:^[^"\s]+\s+(?:namespaces="([^"]*)"\s+)?)){KEY_KIND} ([A-Za-z0-9+/=]+)', line)
    if match and match[1] is not None and not _names_wheelhouses(match[1]):
        raise TrustedKeyError(
            f"{origin} has a key that is for other signatures than those of wheelhouses: {line[:60]!r}",
            why=f"Its namespaces are {match[1]!r}; bundles are signed in {NAMESPACE!r}.",
            next_step=f'write namespaces="{NAMESPACE}" there, if this key signs bundles; else take out the line',
        )
    try:
        kind, key = strings(base64.b64decode(match[2] if match else "", validate=True), 2)
        if kind.decode("ascii") == KEY_KIND:
            return key
    except (ValueError, binascii.Error):
        pass
    raise TrustedKeyError(
        f"{origin} has a line that is no Ed25519 public key: {line[:60]!r}",
        why="Ed25519 keys are used alone; of the allowed_signers options only namespaces=... is known here.",
        next_step="give the .pub file of the key that signs bundles",
    )
