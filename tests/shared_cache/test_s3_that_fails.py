"""An S3 server that is slow, full, forgetful or strict: the run goes on, with one warning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from cache_places import SECRET, Proxy, S3Server, s3_server
from s3fs.errors import translate_boto_error
from site_run import KEY, MakeSite, SiteRun, pull, push

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.shared_cache.opening import (
    CacheNotWritableError,
    CacheRefusedError,
    open_sites,
    reach,
)
from ascend_wheelhouse.shared_cache.remote import Remote, RemoteRefusedError
from ascend_wheelhouse.shared_cache.retention import Retention
from ascend_wheelhouse.shared_cache.upkeep import CacheUnreachableError, row

pytest_plugins = ["cache_fixtures"]
LARGE = 40 << 20


@pytest.fixture
def url(s3: S3Server, proxy: Proxy, request: pytest.FixtureRequest) -> str:
    return s3.cache(request.node.name.partition("[")[0], endpoint=proxy.url)


def told(run: SiteRun) -> str:
    """Return the one warning of a run, which has no secret in it."""
    (warning,) = run.warnings
    assert SECRET not in warning
    assert "X-Amz" not in warning
    return warning


def test_a_server_that_is_busy_for_a_while_is_asked_again(proxy: Proxy, url: str, site: MakeSite) -> None:
    proxy.fail("PUT", "/results/", times=2, status=503, code="SlowDown")
    maker, user = site("maker", url, pushes=True), site("user", url)
    push(maker)
    proxy.fail("GET", "/results/", times=2, status=503, code="SlowDown")
    proxy.fail("GET", "/blobs/", times=2, status=503, code="SlowDown")
    assert pull(user) == b"a bundle"
    assert maker.warnings == user.warnings == []


def test_a_result_that_another_writes_at_the_very_same_time_does_not_end_the_pushing(
    proxy: Proxy, url: str, site: MakeSite
) -> None:
    """S3 answers one of the two with 409, which is to be sent again (its reference of PutObject, If-None-Match)."""
    push(site("first", url, pushes=True))
    proxy.fail("PUT", "/results/", times=2, status=409, code="ConditionalRequestConflict")
    second = site("second", url, pushes=True)
    push(second)
    push(second, f"build-{'8' * 64}", b"another")
    assert second.warnings == []
    assert pull(site("user", url), f"build-{'8' * 64}") == b"another"


def test_a_server_that_stays_busy_is_given_up_with_one_warning(
    proxy: Proxy, url: str, site: MakeSite
) -> None:
    push(site("maker", url, pushes=True))
    proxy.fail("GET", "/results/", status=503, code="SlowDown")
    user = site("user", url)
    with user.store() as store:
        assert store.behind
        assert not any(store.behind.bring_result(f"build-{number}") for number in range(20))
    assert "this run goes on without it: SlowDown" in told(user)
    assert proxy.count("GET", "/results/") < 10


def test_a_login_that_expires_in_the_middle_of_a_run_is_told_once(
    proxy: Proxy, url: str, site: MakeSite
) -> None:
    maker = site("maker", url, pushes=True)
    with maker.store() as store:
        proxy.fail("GET", "", status=400, code="ExpiredToken")
        proxy.fail("HEAD", "", status=400, code="ExpiredToken")
        proxy.fail("PUT", "", status=400, code="ExpiredToken")
        assert store.behind
        assert not store.behind.bring_result(KEY)
        assert not store.behind.bring_result(KEY)
    assert "ExpiredToken (the login has expired, or this host's clock is wrong)" in told(maker)


def test_rights_that_are_lost_while_files_come_end_the_reading(
    proxy: Proxy, url: str, site: MakeSite
) -> None:
    push(site("maker", url, pushes=True))
    user = site("user", url)
    with user.store() as store:
        proxy.fail("GET", "/blobs/", status=403, code="AccessDenied")
        proxy.fail("GET", "wheelhouse-cache.json", status=403, code="AccessDenied")
        assert store.behind
        assert not store.behind.bring_result(KEY)
    assert "can no longer be read" in told(user)


def test_a_login_that_may_not_list_has_misses_and_one_warning(proxy: Proxy, url: str, site: MakeSite) -> None:
    """S3 says 403 for what is not there to who may not list."""
    push(site("maker", url, pushes=True))
    user = site("user", url)
    proxy.fail("GET", "/blobs/", status=403, code="AccessDenied")
    with user.store() as store:
        assert store.behind
        for _ in range(3):
            assert not store.behind.bring_result(KEY)
    assert "they are taken for missing there" in told(user)


def test_a_full_server_ends_the_pushing_and_nothing_else(proxy: Proxy, url: str, site: MakeSite) -> None:
    push(site("maker", url, pushes=True))
    other = site("other", url, pushes=True)
    proxy.fail("PUT", "/blobs/", status=507, code="XMinioStorageFull")
    with other.store() as store:
        assert store.behind
        for number in range(5):
            sha256 = store.add(_file(other.root, b"%d" % number))
            store.put_result(f"build-{number}", {"file": sha256})
            store.behind.offer_result(f"build-{number}", [store.artifact("a", sha256)])
        assert store.behind.bring_result(KEY)
    assert "can no longer be written, and this run goes on without it: XMinioStorageFull" in told(other)


def _file(root: Path, content: bytes) -> Path:
    root.mkdir(exist_ok=True)
    (root / "file").write_bytes(content)
    return root / "file"


def test_a_large_file_that_breaks_off_goes_on_where_it_was(
    proxy: Proxy, url: str, site: MakeSite, tmp_path: Path
) -> None:
    content = os.urandom(6 << 20)
    maker, user = site("maker", url, pushes=True), site("user", url)
    with maker.store() as store:
        sha256 = store.add(_file(tmp_path, content))
        assert store.behind
        store.behind.offer_files([sha256])
    proxy.fail("GET", "/blobs/", times=2, cut=1 << 20)
    with user.store() as store:
        artifact = Artifact(filename="large.bin", size=len(content), sha256=sha256)
        assert store.behind
        assert store.behind.bring_files([Download.of(artifact)], user.events.append) == {sha256}
        assert store.path(sha256).read_bytes() == content
    assert user.warnings == []


def test_an_upload_in_parts_that_fails_is_given_up_on_the_server(
    proxy: Proxy, url: str, site: MakeSite, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(bytes(LARGE))
    maker = site("maker", url, pushes=True)
    proxy.fail("PUT", "partNumber=2", status=500, code="InternalError")
    with maker.store() as store:
        sha256 = store.add(tmp_path / "large")
        assert store.behind
        store.behind.offer_files([sha256])
    assert "can no longer be written" in told(maker)
    assert proxy.count("DELETE", "uploadId=") == 1
    assert list(_remote(url).listing("blobs")) == []


def test_unfinished_uploads_are_given_up_on_every_page_of_the_list(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 lists a thousand at once; the server of these tests all of them."""
    remote = _remote(url)
    rows = [
        {"Key": f"blobs/{number}", "UploadId": f"id{number}", "Initiated": datetime.fromtimestamp(0, tz=UTC)}
        for number in range(3)
    ]
    given_up: list[str] = []

    def call_s3(method: str, **words: str) -> dict[str, object]:
        if method == "abort_multipart_upload":
            given_up.append(words["UploadId"])
            return {}
        after = words.get("UploadIdMarker", "")
        assert words.get("KeyMarker", "") == after.replace("id", "blobs/")
        left = [row for row in rows if str(row["UploadId"]) > after]
        more = {"NextKeyMarker": left[0]["Key"], "NextUploadIdMarker": left[0]["UploadId"]}
        return {"Uploads": left[:1], "IsTruncated": len(left) > 1, **more}

    monkeypatch.setattr(vars(remote)["_fs"], "call_s3", call_s3)
    remote.drop_unfinished(1.0)
    assert given_up == ["id0", "id1", "id2"]


@pytest.mark.parametrize("code", ["NoSuchUpload", "AccessDenied"])
def test_an_upload_that_another_ended_meanwhile_is_no_fault(
    url: str, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Two prune at once, or its writer ends a large file between the list and the request."""
    remote = _remote(url)
    rows = [{"Key": "blobs/1", "UploadId": "id", "Initiated": datetime.fromtimestamp(0, tz=UTC)}]

    def call_s3(method: str, **_words: str) -> dict[str, object]:
        if method != "abort_multipart_upload":
            return {"Uploads": rows}
        told = ClientError({"Error": {"Code": code, "Message": "no"}}, "AbortMultipartUpload")
        raise translate_boto_error(told)

    monkeypatch.setattr(vars(remote)["_fs"], "call_s3", call_s3)
    if code == "NoSuchUpload":
        remote.drop_unfinished(1.0)
    else:
        with pytest.raises(RemoteRefusedError, match="AccessDenied"):
            remote.drop_unfinished(1.0)


def _remote(url: str) -> Remote:
    return reach(Address.of(url), Http(mirrors=Mirrors()))


def test_a_server_that_is_not_there_is_a_warning_and_the_run_goes_on(s3: S3Server, site: MakeSite) -> None:
    user = site("user", s3.cache("nowhere", endpoint="http://127.0.0.1:9"), pushes=True)
    assert pull(user) is None
    assert "does not answer, and this run goes on without it" in told(user)


@pytest.fixture(scope="module")
def strict() -> Iterator[S3Server]:
    with s3_server(rights=True) as running:
        yield running


def test_a_login_without_any_right_is_an_error_before_anything_starts(strict: S3Server) -> None:
    choice = CacheChoice(urls=(strict.cache("team", login="nobody"),))
    with pytest.raises(CacheRefusedError, match="refuses this login: AccessDenied") as caught:
        open_sites(choice, lambda _event: None)
    secret = strict.logins["nobody"].partition(":")[2]
    assert caught.value.exit_code == 4
    assert secret not in str(caught.value)


def test_a_login_that_may_only_read_reads_and_a_key_for_pushing_is_refused(
    strict: S3Server, key: Signer
) -> None:
    url = strict.cache("team", login="reader")
    assert len(open_sites(CacheChoice(urls=(url,)), lambda _event: None)) == 1
    with pytest.raises(CacheNotWritableError, match="cannot be written with this login") as caught:
        open_sites(CacheChoice(urls=(url,), key=key.path), lambda _event: None)
    assert "leave --cache-key away" in caught.value.next_step


def test_a_login_that_s3_does_not_know_is_an_error(strict: S3Server) -> None:
    with pytest.raises(CacheRefusedError, match="InvalidAccessKeyId"):
        open_sites(CacheChoice(urls=(strict.cache("team"),)), lambda _event: None)


def test_no_login_at_all_is_an_error_that_says_so(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    url = f"s3://wheels/team?endpoint={s3.url}&region=us-east-1"
    with pytest.raises(CacheRefusedError, match="no login for S3 was found"):
        open_sites(CacheChoice(urls=(url,)), lambda _event: None)


def test_files_of_a_login_that_cannot_be_read_are_told_as_that(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(CacheRefusedError, match="Unable to parse config file"):
        open_sites(CacheChoice(urls=(s3.cache("team"),)), lambda _event: None)


def test_a_bucket_that_is_not_there_is_corrected_and_not_waited_for(s3: S3Server) -> None:
    url = s3.cache("team").replace("@wheels/", "@whels/")
    with pytest.raises(CacheUnreachableError, match="there is no such bucket") as caught:
        row(url, Retention(seconds=0), None)
    assert caught.value.next_step == "correct --cache"
