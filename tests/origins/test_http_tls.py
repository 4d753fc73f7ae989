"""What the HTTP client does with certificates: unknown authorities, pip's own, and TLS that breaks off."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from index_server import (
    FakeClock,
    Index,
    client,
    serving,
    status,
)

from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.pip_config import PipConfigError

pytest_plugins = ["fetch_fixtures"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a mirror")])
    now = datetime.now(tz=UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain)
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def secure_index(certificate: Path) -> Iterator[Index]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as index:
        index.raw["/page"] = ("text/html", b"here")
        yield index


def test_an_unknown_authority_is_final(secure_index: Index, clock: FakeClock) -> None:
    with client(secure_index, clock=clock) as http, pytest.raises(faults.CertificateError) as caught:
        http.page(f"{secure_index.url}/page")
    assert "global.cert" in caught.value.next_step
    assert clock.waits == []


def test_pips_certificates_and_trusted_hosts_hold(secure_index: Index, certificate: Path) -> None:
    with client(secure_index, cert=certificate) as http:
        assert http.page(f"{secure_index.url}/page").content == b"here"
    with client(secure_index, trusted_hosts=("127.0.0.1",)) as http:
        assert http.page(f"{secure_index.url}/page").content == b"here"


def test_pips_certificates_may_be_a_folder_as_debian_has_them(
    secure_index: Index, certificate: Path, tmp_path: Path
) -> None:
    words = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(certificate)]
    named = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / f"{named}.0").symlink_to(certificate)
    with client(secure_index, cert=tmp_path) as http:
        assert http.page(f"{secure_index.url}/page").content == b"here"


def test_a_missing_certificate_file_is_named(secure_index: Index, tmp_path: Path) -> None:
    with (
        client(secure_index, cert=tmp_path / "no.pem") as http,
        pytest.raises(PipConfigError, match=r"no\.pem"),
    ):
        http.page(f"{secure_index.url}/page")


def test_tls_that_breaks_off_is_tried_again(index: Index, clock: FakeClock) -> None:
    """A server that speaks no TLS, or hangs up in the handshake, may be a proxy that fails for a while."""
    with client(index, clock=clock) as http, pytest.raises(faults.ConnectionBrokenError):
        http.page(f"{index.url.replace('http:', 'https:')}/page")
    assert len(clock.waits) == http.config.retries


@pytest.mark.parametrize("ask", ["page", "digest"])
def test_a_redirect_from_https_to_plain_http_is_refused(
    ask: str, secure_index: Index, index: Index, certificate: Path
) -> None:
    index.raw["/there"] = ("text/html", b"other")
    place = index.url.replace("http:", "HTTP:")
    secure_index.behave("page", *[status(302, Location=f"{place}/there")] * 3)
    with (
        client(secure_index, cert=certificate) as http,
        pytest.raises(faults.InsecureRedirectError) as caught,
    ):
        getattr(http, ask)(f"{secure_index.url}/page")
    assert "plain HTTP" in caught.value.why
    assert not index.requests_for("there")


def test_a_redirect_to_plain_http_is_followed_where_the_user_named_its_place(
    secure_index: Index, index: Index, certificate: Path
) -> None:
    index.raw["/there"] = ("text/html", b"other")
    secure_index.behave("page", status(302, Location="https://files.test/there"))
    with client(secure_index, cert=certificate, mirrors={"https://files.test": index.url}) as http:
        assert http.page(f"{secure_index.url}/page").content == b"other"
    secure_index.behave("page", status(302, Location=f"{index.url}/there"))
    with client(secure_index, trusted_hosts=("127.0.0.1",)) as http:
        assert http.page(f"{secure_index.url}/page").content == b"other"


def test_header_fields_that_are_private_go_to_their_own_host_alone(index: Index, clock: FakeClock) -> None:
    sent = (("Authorization", "Bearer s3cret"), ("Referer", "https://a.test/"))
    with serving() as other, client(index, clock=clock) as http:
        other.raw["/there"] = ("application/x", b"other")
        index.raw["/near"] = ("application/x", b"near")
        index.behave("file", status(302, Location="/near"))
        index.behave("near", status(302, Location=f"{other.url}/there"))
        with http.stream(f"{index.url}/file", headers=sent) as stream:
            assert stream.read(100) == b"other"
        (near,), (far,) = index.requests_for("near"), other.requests_for("there")
    assert (near["Authorization"], near["Referer"]) == ("Bearer s3cret", "https://a.test/")
    assert (far["Authorization"], far["Referer"]) == (None, "https://a.test/")
