from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest
from bundle_fixtures import Draft
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flushed import Flushed
from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_wheelhouse.folder import signing
from ascend_wheelhouse.folder.provenance import statement
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import errors
from ascend_wheelhouse.node.trust import dsse, ed25519, signature, sshsig


def _raw_public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


@settings(max_examples=10, deadline=None)
@given(st.binary(max_size=100))
def test_plain_python_accepts_what_openssl_signs(message: bytes) -> None:
    key = Ed25519PrivateKey.generate()

    assert ed25519.verify(_raw_public(key), message, key.sign(message))


def test_plain_python_refuses_every_changed_byte_of_a_signature() -> None:
    key = Ed25519PrivateKey.generate()
    sound = key.sign(b"manifest")

    for position in range(0, 64, 7):
        changed = bytearray(sound)
        changed[position] ^= 1
        assert not ed25519.verify(_raw_public(key), b"manifest", bytes(changed))
    assert not ed25519.verify(_raw_public(key), b"another", sound)


def test_the_first_vector_of_rfc_8032_verifies() -> None:
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signed = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )

    assert ed25519.verify(public, b"", signed)


@pytest.mark.parametrize(
    ("public", "signed"),
    [
        (b"short", bytes(64)),
        (bytes(32), bytes(63)),
        ((2**255 - 1).to_bytes(32, "little"), bytes(64)),
        ((2).to_bytes(32, "little"), bytes(64)),
        ((1 | 1 << 255).to_bytes(32, "little"), bytes(64)),
    ],
)
def test_keys_that_are_no_points_are_refused(public: bytes, signed: bytes) -> None:
    assert not ed25519.verify(public, b"", signed)


def test_a_signature_with_a_scalar_beyond_the_order_is_refused() -> None:
    key = Ed25519PrivateKey.generate()
    sound = key.sign(b"m")
    order = 2**252 + 27742317777372353535851937790883648493
    shifted = int.from_bytes(sound[32:], "little") + order

    assert not ed25519.verify(_raw_public(key), b"m", sound[:32] + shifted.to_bytes(32, "little"))


def test_equal_manifests_get_equal_signatures(signer: Signer) -> None:
    assert signer.sign(b"{}") == signer.sign(b"{}")


def test_plain_ssh_keygen_verifies_a_manifest(signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "allowed_signers").write_text(signer.allowed_signers)
    (tmp_path / "manifest.json.sig").write_bytes(signer.sign(b"{}"))
    command = "ssh-keygen -Y verify -f allowed_signers -I ascend-wheelhouse -n ascend-wheelhouse"

    done = subprocess.run(
        [*command.split(), "-s", "manifest.json.sig"],
        cwd=tmp_path,
        input=b"{}",
        capture_output=True,
        check=True,
    )

    assert b"Good" in done.stdout


def test_a_node_without_ssh_keygen_verifies_as_well(
    signer: Signer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sound = signer.sign(b"{}")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert signature.check(b"{}", sound, frozenset({signer.fingerprint})) == signer.public_key
    with pytest.raises(sshsig.BadSignatureError, match=r"^The signature does not belong to this manifest"):
        signature.check(b"{ }", sound, None)


@pytest.mark.parametrize(
    ("says", "accepted"),
    [
        ("ssh-keygen: unknown option -- Y", True),
        ("No user exists for uid 12345", True),
        ("ssh-keygen: error while loading shared libraries: libcrypto.so.3: cannot open shared object", True),
        ("", True),
        ("Could not verify signature.", False),
        ("Signature verification failed: incorrect signature", False),
    ],
)
def test_an_ssh_keygen_that_fails_is_passed_over_and_one_that_refuses_is_believed(
    signer: Signer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, *, accepted: bool
) -> None:
    sound = signer.sign(b"{}")
    program = tmp_path / "ssh-keygen"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with (
        contextlib.nullcontext() if accepted else pytest.raises(sshsig.BadSignatureError, match="not belong")
    ):
        signature.check(b"{}", sound, None)


def test_where_nothing_can_be_written_for_ssh_keygen_plain_python_decides(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sound = signer.sign(b"{}")
    monkeypatch.setattr(signature, "scratch", full)
    assert signature.check(b"{}", sound, None) == signer.public_key
    with pytest.raises(sshsig.BadSignatureError, match="not belong"):
        signature.check(b"{ }", sound, None)


@pytest.mark.parametrize("program", ["#!/bin/sh\nexec sleep 60\n", "\x7fELF", "#!/no/where\n"])
def test_an_ssh_keygen_that_hangs_or_cannot_run_says_nothing_of_the_signature(
    signer: Signer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    sound = signer.sign(b"{}")
    (tmp_path / "ssh-keygen").write_text(program)
    (tmp_path / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(signature, "_SECONDS", 0.2)

    assert signature.check(b"{}", sound, None) == signer.public_key
    with pytest.raises(sshsig.BadSignatureError, match="not belong"):
        signature.check(b"{ }", sound, None)


def test_the_fingerprint_is_the_one_that_ssh_keygen_shows(signer: Signer) -> None:
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", signer.path], capture_output=True, text=True, check=True
    ).stdout

    assert shown.split()[1] == signer.fingerprint


@pytest.mark.parametrize("position", range(0, 290, 17))
def test_a_changed_byte_of_the_signature_file_is_refused(signer: Signer, position: int) -> None:
    changed = bytearray(signer.sign(b"{}"))
    changed[position] ^= 0x01

    with pytest.raises(errors.IntegrityError):
        signature.check(b"{}", bytes(changed), frozenset({signer.fingerprint}))


def test_a_signature_for_another_purpose_is_refused(signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"{}")
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", signer.path, "-n", "git", tmp_path / "m"], check=True
    )

    with pytest.raises(sshsig.BadSignatureError, match=r"^manifest\.json\.sig is not a signature"):
        signature.check(b"{}", (tmp_path / "m.sig").read_bytes(), frozenset({signer.fingerprint}))


def test_trusted_keys_are_read_from_every_usual_form(
    signer: Signer, stranger: Signer, tmp_path: Path
) -> None:
    both = tmp_path / "keys"
    both.write_text(f"# ours\n{signer.allowed_signers}\n{stranger.public_line} comment\n")
    of_windows = tmp_path / "of_windows"
    of_windows.write_bytes(b"\xef\xbb\xbf" + both.read_bytes().replace(b"\n", b"\r\n"))

    assert signature.trusted_fingerprints(signer.fingerprint) == {signer.fingerprint}
    assert signature.trusted_fingerprints(f"{signer.path}.pub") == {signer.fingerprint}
    assert signature.trusted_fingerprints(both) == {signer.fingerprint, stranger.fingerprint}
    assert signature.trusted_fingerprints(of_windows) == {signer.fingerprint, stranger.fingerprint}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "ssh-rsa AAAAB3NzaC1yc2E= me\n",
        'ops valid-before="20300101" ssh-ed25519 AAAA\n',
        "ssh-ed25519 AAAA\n",
        "cert-authority ssh-ed25519 x\n",
    ],
)
def test_what_is_no_key_is_refused_as_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key.pub"
    file.write_text(text)

    with pytest.raises(signature.TrustedKeyError):
        signature.trusted_fingerprints(file)


@pytest.mark.parametrize(
    ("namespaces", "taken"),
    [("git", False), ("git,ascend-wheelhouse", True), ("ascend-*", True), ("*,!ascend-wheelhouse", False)],
)
def test_a_key_of_other_signatures_is_not_trusted_for_bundles(
    signer: Signer, tmp_path: Path, namespaces: str, *, taken: bool
) -> None:
    file = tmp_path / "allowed_signers"
    file.write_text(f'ops namespaces="{namespaces}" {signer.public_line}\n')
    if taken:
        assert signature.trusted_fingerprints(file) == {signer.fingerprint}
    else:
        with pytest.raises(signature.TrustedKeyError, match="for other signatures than those of wheelhouses"):
            signature.trusted_fingerprints(file)


def test_a_missing_key_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(signature.TrustedKeyError, match="cannot be read"):
        signature.trusted_fingerprints(tmp_path / "none")


def test_a_key_is_never_replaced(signer: Signer) -> None:
    with pytest.raises(signing.KeyExistsError, match=r"exists"):
        signing.generate_key(signer.path)


@pytest.mark.parametrize(
    "arguments", [["-t", "rsa", "-b", "2048", "-N", ""], ["-t", "ed25519", "-N", "secret-phrase"]]
)
def test_keys_that_cannot_sign_bundles_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    subprocess.run(["ssh-keygen", "-q", *arguments, "-f", tmp_path / "key"], check=True)

    with pytest.raises(signing.SigningKeyError):
        Signer(tmp_path / "key")


def test_a_missing_signing_key_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(signing.SigningKeyError) as caught:
        Signer(tmp_path / "none")

    assert caught.value.next_step.startswith("ssh-keygen -t ed25519")


def test_provenance_verifies_with_the_pem_key_alone(draft: Draft, signer: Signer) -> None:
    document = json.loads(dict(draft.head())["provenance.dsse.json"])
    payload = base64.b64decode(document["payload"])
    key = load_pem_public_key(signer.public_pem)

    key.verify(base64.b64decode(document["signatures"][0]["sig"]), dsse.pae(payload))  # type: ignore[union-attr, call-arg]

    statement = json.loads(payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"][0]["name"] == "manifest.json"


def test_provenance_names_what_came_from_outside_and_no_time(draft: Draft) -> None:
    payload = base64.b64decode(json.loads(dict(draft.head())["provenance.dsse.json"])["payload"])
    build = json.loads(payload)["predicate"]["buildDefinition"]

    uris = [item["uri"] for item in build["resolvedDependencies"] if "uri" in item]
    assert "pkg:pypi/torch@2.8.0" in uris
    assert build["externalParameters"]["cell"]["cann"] == "8.3.RC2"
    assert b"startedOn" not in payload
    assert os.uname().nodename.encode() not in payload


def test_provenance_says_what_a_built_wheel_took_along() -> None:
    note = "grafted libnuma.so.1 of libnuma1_2.0.12-1_arm64.deb (sha256 00)"
    wheel = {
        "path": "wheels/x-1-py3-none-any.whl",
        "sha256": "0" * 64,
        "kind": "wheel",
        "name": "x",
        "version": "1",
    }
    named = dict.fromkeys(("stack", "platform", "cell", "complete", "derived", "tool"), "x")
    manifest = {**named, "files": [wheel | {"origin": "git", "note": note}]}
    (told,) = json.loads(statement(manifest, b""))["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert told["annotations"] == {"origin": "git", "note": note}


@pytest.mark.parametrize("typed", ["SHA256:...", "SHA256:AAAA", f"SHA256:{'A' * 44}"])
def test_a_fingerprint_that_is_cut_short_is_no_missing_file(typed: str) -> None:
    with pytest.raises(signature.TrustedKeyError, match="is no fingerprint of a key"):
        signature.trusted_fingerprints(typed)


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a user id that the list of users does not have, for which ssh-keygen ends with 255."""

    def unlisted(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unlisted)


def test_a_user_without_a_name_signs_to_the_bytes_of_ssh_keygen(
    signer: Signer, request: pytest.FixtureRequest
) -> None:
    listed = signer.sign(b"manifest")
    request.getfixturevalue("nameless")
    assert signer.sign(b"manifest") == listed


@pytest.mark.usefixtures("nameless")
def test_a_user_without_a_name_makes_a_key_that_ssh_keygen_takes(tmp_path: Path) -> None:
    made = signing.generate_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-f", tmp_path / "key"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[:2] == made.public_line.split()
    assert (tmp_path / "key.pub").read_text() == f"{made.public_line} wheelhouse\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "key.pub"]


def test_both_halves_of_a_new_key_are_on_the_disk_when_they_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = Flushed(monkeypatch)
    signing.generate_key(tmp_path / "key")
    assert all(flushed.holds(path) for path in (tmp_path / "key", tmp_path / "key.pub", tmp_path))
