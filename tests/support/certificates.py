"""Certificates for tests of TLS: an authority, and files that it has signed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The files of one side: the authority that it trusts, its certificate, its key."""

    ca: Path
    cert: Path
    key: Path

    def options(self, ca: str = "--tls-ca") -> tuple[str, ...]:
        """Return them as options of a command, ours or (`--tls-ca-file`) Dask's."""
        return (ca, str(self.ca), "--tls-cert", str(self.cert), "--tls-key", str(self.key))

    def as_dask_settings(self) -> dict[str, str]:
        """Return the variables by which Dask's own configuration names them."""
        prefix = "DASK_DISTRIBUTED__COMM__TLS__"
        roles = ("CLIENT", "WORKER", "SCHEDULER")
        pairs = {f"{prefix}{role}__CERT": str(self.cert) for role in roles}
        return {
            f"{prefix}CA_FILE": str(self.ca),
            **pairs,
            **{f"{prefix}{role}__KEY": str(self.key) for role in roles},
        }


class Authority:
    """Signs certificates.

    Args:
        folder: Where its files go.
        name: What it is called.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name, self._key = folder, _name(name), ec.generate_private_key(ec.SECP256R1())
        own = self._builder(self._name, self._key.public_key(), days=1)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def identity(self, name: str, *, days: float = 1) -> Identity:
        """Write a key and a certificate; it is out of date when `days` is negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._builder(_name(name), key.public_key(), days).sign(self._key, hashes.SHA256())
        cert, place = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        cert.write_bytes(signed.public_bytes(Encoding.PEM))
        place.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Identity(ca=self.certificate, cert=cert, key=place)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: float
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - 9 * _DAY,
            not_valid_after=now + days * _DAY,
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
