"""Whoever can write to a cache can spoil it, and nobody is hurt: what is not proven is made here instead."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from site_run import KEY, MakeSite, SiteRun, pull, push

from ascend_wheelhouse.folder.signing import Signer, generate_key
from ascend_wheelhouse.node.trust import dsse
from ascend_wheelhouse.shared_cache import entries
from ascend_wheelhouse.shared_cache.site import blob
from ascend_wheelhouse.store.store import Store

pytest_plugins = ["cache_fixtures"]
OTHER = f"build-{'8' * 64}"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def maker(site: MakeSite, cache: Path) -> SiteRun:
    return site("maker", f"file://{cache}", pushes=True)


@pytest.fixture
def user(site: MakeSite, cache: Path) -> SiteRun:
    return site("user", f"file://{cache}")


def overwrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))


def changed_envelope(**fields: object) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps(json.loads(content) | fields).encode()


def flip_signature(content: bytes) -> bytes:
    document = json.loads(content)
    raw = bytearray(base64.b64decode(document["signatures"][0]["sig"]))
    raw[5] ^= 1
    document["signatures"][0]["sig"] = base64.b64encode(raw).decode()
    return json.dumps(document).encode()


def other_files(content: bytes) -> bytes:
    document = json.loads(content)
    payload = json.loads(base64.b64decode(document["payload"]))
    payload["files"][0]["sha256"] = payload["record"]["file"] = "0" * 64
    document["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    return json.dumps(document).encode()


def as_provenance(content: bytes) -> bytes:
    return changed_envelope(payloadType=dsse.PAYLOAD_TYPE)(content)


def test_a_result_of_a_trusted_key_is_taken(maker: SiteRun, user: SiteRun) -> None:
    push(maker)
    assert pull(user) == b"a bundle"
    assert user.warnings == []


@pytest.mark.parametrize(
    "spoil",
    [
        flip_signature,
        other_files,
        as_provenance,
        lambda content: content[: len(content) // 2],
        lambda _content: b"",
        lambda _content: b"<html>",
        lambda _content: b'{"payload": 1}',
        changed_envelope(signatures=[]),
        changed_envelope(publicKey="AAAA"),
    ],
    ids=["signature", "files", "type", "cut", "empty", "html", "shape", "unsigned", "key"],
)
def test_an_entry_that_was_changed_is_told_and_not_used(
    maker: SiteRun, user: SiteRun, cache: Path, spoil: Callable[[bytes], bytes]
) -> None:
    push(maker)
    overwrite(cache / entries.place(KEY), spoil)
    assert pull(user) is None
    (warning,) = user.warnings
    assert f"the entry of {KEY} is not used" in warning


@pytest.mark.parametrize("content", [b"A bundle", b"a bundl", b"a bundle and more", b""])
def test_a_file_with_other_bytes_never_enters_the_store(
    maker: SiteRun, user: SiteRun, cache: Path, content: bytes
) -> None:
    sha256 = push(maker)
    overwrite(cache / blob(sha256), lambda _: content)
    assert pull(user) is None
    assert "other bytes than it should" in user.warnings[0]
    store = Store(user.root / "store")
    assert (list(store.blobs()), store.result(KEY)) == ([], None)


def test_the_entry_of_another_key_is_not_taken_for_this_one(
    maker: SiteRun, user: SiteRun, cache: Path
) -> None:
    push(maker)
    push(maker, OTHER, b"another bundle")
    overwrite(cache / entries.place(KEY), lambda _: (cache / entries.place(OTHER)).read_bytes())
    assert pull(user) is None
    assert f"it is the entry of {OTHER}" in user.warnings[0]


def test_an_entry_of_an_unknown_key_is_told_and_not_used(
    maker: SiteRun, site: MakeSite, cache: Path, tmp_path: Path, key: Signer
) -> None:
    push(maker)
    stranger = generate_key(tmp_path / "other-key")
    user = site("user", f"file://{cache}", trust=(f"{stranger.path}.pub",))
    assert pull(user) is None
    assert f"signed by {key.fingerprint}, which is not trusted here" in user.warnings[0]


def test_without_any_trusted_key_no_result_is_asked_for_and_the_run_says_so(
    maker: SiteRun, site: MakeSite, cache: Path
) -> None:
    push(maker)
    user = site("user", f"file://{cache}", trust=())
    assert pull(user) is None
    (warning,) = user.warnings
    assert "--cache-trust" in warning


def test_a_folder_of_public_keys_is_trusted(
    maker: SiteRun, site: MakeSite, cache: Path, tmp_path: Path, key: Signer
) -> None:
    push(maker)
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / "maker.pub").write_text(key.public_line)
    assert pull(site("user", f"file://{cache}", trust=(str(folder),))) == b"a bundle"


def test_a_site_that_found_a_spoiled_file_and_made_it_anew_mends_the_cache(
    maker: SiteRun, user: SiteRun, site: MakeSite, cache: Path
) -> None:
    sha256 = push(maker)
    overwrite(cache / blob(sha256), lambda _: b"A bundle")
    other = site("other", f"file://{cache}", pushes=True)
    with other.store() as store:
        assert store.behind
        assert not store.behind.bring_result(KEY)
        store.add(BytesIO(b"a bundle"))
        store.put_result(KEY, {"file": sha256})
        store.behind.offer_result(KEY, [store.artifact("a.bundle", sha256)])
    assert pull(user) == b"a bundle"


def test_of_two_writers_with_different_files_the_first_stays_and_it_is_told(
    maker: SiteRun, user: SiteRun, site: MakeSite, cache: Path
) -> None:
    second = site("second", f"file://{cache}", pushes=True)
    push(maker)
    push(second, content=b"what another compiler gave", about={"component": "torch-npu"})
    assert "has other files of" in second.warnings[0]
    assert "torch-npu" in second.warnings[0]
    assert pull(user) == b"a bundle"


@pytest.mark.parametrize("change", [None, b"cut"], ids=["gone", "cut"])
def test_a_first_result_whose_file_is_gone_makes_way_for_the_next(
    maker: SiteRun, user: SiteRun, site: MakeSite, cache: Path, change: bytes | None
) -> None:
    """It kept the key taken for ever: no site could use it, and each built anew."""
    sha256 = push(maker)
    (cache / blob(sha256)).unlink()
    if change is not None:
        (cache / blob(sha256)).write_bytes(change)
    push(site("second", f"file://{cache}", pushes=True), content=b"what another compiler gave")
    assert pull(user) == b"what another compiler gave"


def test_of_two_writers_with_the_same_files_nobody_is_told_anything(
    maker: SiteRun, site: MakeSite, cache: Path
) -> None:
    push(maker)
    second = site("second", f"file://{cache}", pushes=True)
    push(second)
    assert second.warnings == []
    assert len(list(cache.glob("blobs/??/*"))) == 1


def test_an_entry_that_nobody_here_trusts_does_not_keep_the_key_taken(
    maker: SiteRun, user: SiteRun, site: MakeSite, cache: Path, tmp_path: Path
) -> None:
    stranger = site("stranger", f"file://{cache}", pushes=True)
    other = generate_key(tmp_path / "other-key")
    choice = stranger.choice.__class__(urls=stranger.choice.urls, key=other.path)
    push(SiteRun(root=stranger.root, choice=choice, monkeypatch=stranger.monkeypatch), content=b"strange")
    push(maker)
    assert pull(user) == b"a bundle"


def test_a_file_that_vanished_is_a_miss(maker: SiteRun, user: SiteRun, cache: Path) -> None:
    sha256 = push(maker)
    (cache / blob(sha256)).unlink()
    assert pull(user) is None
    assert user.warnings == []
    push(maker)
    assert pull(user) == b"a bundle"


def test_a_damaged_file_of_the_store_is_not_pushed(maker: SiteRun, user: SiteRun, cache: Path) -> None:
    with maker.store() as store:
        sha256 = store.add(BytesIO(b"a bundle"))
        store.put_result(KEY, {"file": sha256})
        overwrite(store.path(sha256), lambda _: b"a bundlE")
        assert store.behind
        store.behind.offer_result(KEY, [store.artifact("a.bundle", sha256)])
    assert list(cache.glob("blobs/??/*")) == []
    assert "It is not pushed." in maker.warnings[0]
    assert pull(user) is None
