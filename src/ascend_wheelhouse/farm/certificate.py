"""TLS of a farm, and a certificate for one run, its own authority: who holds it belongs to the run."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed.security import Security

_BEFORE = dt.timedelta(days=1)
_AFTER = dt.timedelta(days=365)
_NAME = "ascend-wheelhouse-run"


def run_certificate() -> dict[str, str]:
    """Return a new certificate and its key, `cert` and `key`, as texts in PEM.

    It is valid since yesterday, where Dask's own (`Security.temporary`) is since now: a host whose clock is a little
    slow would refuse that.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _NAME)])
    now = dt.datetime.now(tz=dt.UTC)
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _AFTER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"cert": made.public_bytes(Encoding.PEM).decode(), "key": secret.decode()}


def security_by(certificate: dict[str, str]) -> Security:
    """Return how a side speaks TLS by what `run_certificate` made."""
    return tls(certificate["cert"], certificate["key"], authority=certificate["cert"])


def tls(cert: str, key: str, *, authority: str) -> Security:
    """Return how a side speaks TLS, the same as scheduler, worker and client.

    Args:
        cert: Its certificate: a path, or the text itself in PEM.
        key: The key of that, likewise.
        authority: Who must have signed the other side's.
    """
    from distributed.security import Security

    return Security(
        require_encryption=True,
        tls_ca_file=authority,
        tls_client_cert=cert,
        tls_client_key=key,
        tls_worker_cert=cert,
        tls_worker_key=key,
        tls_scheduler_cert=cert,
        tls_scheduler_key=key,
    )
