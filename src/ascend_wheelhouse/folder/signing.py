"""Signing on the host that makes bundles: OpenSSH Ed25519 keys, made and used with `ssh-keygen`.

The private key stays where it is: it is read, never copied, and never enters a wheelhouse or bundle. The
manifest is signed by `ssh-keygen -Y sign`, so that a node needs nothing else to check it; the provenance
needs a raw Ed25519 signature (DSSE), which `ssh-keygen` does not make, and gets it from the same key.

`ssh-keygen` refuses a user id without an entry in the list of users, as containers have it ("No user exists for uid",
`ssh-keygen.c@4f97573` of openssh/openssh-portable). There the same bytes are made here.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from ascend_wheelhouse.base import flocks, medium, process
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.whole_file import naming
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.node.trust import sshsig


class SigningKeyError(UsageError):
    """The key cannot sign bundles."""


class KeyExistsError(UsageError):
    """A key would be overwritten."""


class Signer:
    """Signs with an OpenSSH private key file.

    Args:
        path: The private key.

    Raises:
        SigningKeyError: It is missing, is no Ed25519 key, or is locked by a passphrase.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key = _load(path)
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as `ssh-keygen -l` shows it."""
        return sshsig.fingerprint(self.public_key)

    @property
    def public_line(self) -> str:
        """The public key as a `.pub` line without comment."""
        return sshsig.public_line(self.public_key)

    @property
    def allowed_signers(self) -> str:
        """The line for an `allowed_signers` file, valid for wheelhouses alone."""
        return f'{sshsig.NAMESPACE} namespaces="{sshsig.NAMESPACE}" {self.public_line}\n'

    @property
    def public_pem(self) -> bytes:
        """The public key in PEM, for provenance checkers that do not know OpenSSH keys."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes) -> bytes:
        """Return the OpenSSH signature file for a message, as `ssh-keygen -Y sign` writes it."""
        if not _user_is_listed():
            return sshsig.file_of(self.public_key, self.sign_raw(sshsig.to_sign(message)))
        with scratch() as folder:
            file = folder / "message"
            file.write_bytes(message)
            try:
                process.run(["ssh-keygen", "-q", "-Y", "sign", "-f", self.path, "-n", sshsig.NAMESPACE, file])
            except process.CommandFailedError as error:
                raise SigningKeyError(
                    f"ssh-keygen could not sign with {self.path}.",
                    why=error.tail(),
                    next_step=f"ssh-keygen -y -f {shlex.quote(str(self.path))}  (it must print a public key)",
                ) from error
            return file.with_suffix(".sig").read_bytes()

    def sign_raw(self, message: bytes) -> bytes:
        """Return the plain 64-byte Ed25519 signature of a message."""
        return self._key.sign(message)


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_ssh_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SigningKeyError(
            f"The signing key {path} cannot be read.",
            why=str(error),
            next_step=f"ssh-keygen -t ed25519 -N '' -C wheelhouse -f {shlex.quote(str(path))}",
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(
            f"{path} is not a private key that can sign bundles.",
            why=f"It is no OpenSSH private key, or is locked by a passphrase ({error}).",
            next_step="use an Ed25519 key without passphrase, kept on the signing host alone",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(
            f"{path} is not an Ed25519 key.",
            why="Bundles are signed with Ed25519 alone: small, and the same bytes give the same signature.",
            next_step="ssh-keygen -t ed25519 -N '' -C wheelhouse -f NEW_KEY",
        )
    return key


def generate_key(path: Path, comment: str = "wheelhouse") -> Signer:
    """Make an Ed25519 key at `path` and `path.pub` and return its signer; an existing key is never replaced.

    The pair is made in a hidden folder beside; a run that is killed while it moves the two is finished by the next.

    Raises:
        KeyExistsError: There is a file at either path, or `path` is a folder.
        SigningKeyError: It cannot be made there.
    """
    if not path.name or path.is_dir():
        raise KeyExistsError(
            f"{path} is a folder.",
            why="The key is a file, and its public half lies beside it.",
            next_step=f"invoke keygen {shlex.quote(str(path / 'wheelhouse-key'))}",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(f".{path.name}.making")
    public = path.with_name(f"{path.name}.pub")
    with flocks.folder(path.parent) as lock:
        lock(flocks.ALONE)
        if not _half_moved(making, path, public):
            shutil.rmtree(making, ignore_errors=True)
            _refuse_taken(path, public)
            with naming(path, making):
                making.mkdir(mode=0o700)
            try:
                _make_key(making / path.name, comment)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
            medium.flush_tree(making)
            (making / public.name).rename(public)
        if not path.exists():
            (making / path.name).rename(path)
        making.rmdir()
        medium.flush_names(path.parent)
    return Signer(path)


def _user_is_listed() -> bool:
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True


def _make_key(path: Path, comment: str) -> None:
    if not _user_is_listed():
        key = Ed25519PrivateKey.generate()
        public = sshsig.public_line(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(text)
        path.with_name(f"{path.name}.pub").write_text(f"{public} {comment}\n", encoding="ascii")
        return
    try:
        process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])
    except process.CommandFailedError as error:
        raise SigningKeyError(
            f"ssh-keygen could not make a key at {path}.",
            why=error.tail(),
            next_step="choose a path in a folder that you can write, such as ~/.keys/wheelhouse",
        ) from error


def _half_moved(making: Path, path: Path, public: Path) -> bool:
    """Tell whether a killed run had made its pair and moved at least the public key, so that it is to be finished."""
    left = {file.name for file in making.iterdir()} if making.is_dir() else {"nothing"}
    return public.exists() and left == (set() if path.exists() else {path.name})


def _refuse_taken(*paths: Path) -> None:
    for taken in paths:
        if taken.exists():
            raise KeyExistsError(
                f"{taken} exists.",
                why="A replaced key would make every bundle that it signed unverifiable.",
                next_step="choose another path, or remove it yourself",
            )
