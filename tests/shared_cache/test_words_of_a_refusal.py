"""A place that lets nobody in says why: the login, the clock, the region, the rights of a folder, or the host's key."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cache_places import SSHD, Proxy, S3Server, ssh_server
from site_run import KEY, MakeSite, pull, push

from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.shared_cache.opening import CacheRefusedError, open_sites

pytest_plugins = ["cache_fixtures"]
EXPIRED = "ExpiredToken (the login has expired, or this host's clock is wrong)"


@pytest.fixture
def bucket(s3: S3Server, proxy: Proxy, request: pytest.FixtureRequest) -> str:
    return s3.cache(request.node.name.partition("[")[0], endpoint=proxy.url)


def _refused(url: str) -> CacheRefusedError:
    with pytest.raises(CacheRefusedError) as caught:
        open_sites(CacheChoice(urls=(url,)), lambda _event: None)
    return caught.value


def test_a_clock_that_is_wrong_is_told_and_not_called_a_login(proxy: Proxy, bucket: str) -> None:
    proxy.fail("GET", "", status=403, code="RequestTimeTooSkewed")
    error = _refused(bucket)
    assert "RequestTimeTooSkewed" in error.what
    assert "set this host's clock" in error.next_step


def test_a_bucket_in_another_region_is_told_as_that(proxy: Proxy, bucket: str, site: MakeSite) -> None:
    proxy.fail("GET", "", status=400, code="IllegalLocationConstraintException")
    user = site("user", bucket)
    assert pull(user) is None
    assert "the bucket is in another region, which `region=` in its URL names" in user.warnings[0]


def test_a_login_that_expires_while_files_come_is_told_as_that(
    proxy: Proxy, bucket: str, site: MakeSite
) -> None:
    push(site("maker", bucket, pushes=True))
    user = site("user", bucket)
    with user.store() as store:
        proxy.fail("GET", "/blobs/|wheelhouse-cache", status=400, code="ExpiredToken")
        assert store.behind
        assert not store.behind.bring_result(KEY)
    (warning,) = user.warnings
    assert EXPIRED in warning


def test_a_login_that_expires_while_files_are_looked_for_is_told_as_that(
    proxy: Proxy, bucket: str, site: MakeSite
) -> None:
    """An answer to HEAD has a status, and no word of what it means."""
    maker = site("maker", bucket, pushes=True)
    proxy.fail("HEAD", "/blobs/", status=400, code="ExpiredToken")
    proxy.fail("GET", "/blobs/", status=400, code="ExpiredToken")
    push(maker)
    (warning,) = maker.warnings
    assert EXPIRED in warning


def test_a_folder_that_keeps_this_user_out_asks_for_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, whom no rights keep out."""

    def closed(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", closed)
    error = _refused(f"file://{tmp_path}")
    assert "AWS_PROFILE" not in error.next_step
    assert "chmod" in error.next_step


@pytest.fixture
def ssh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """The folder of a user's ssh, and a cache on a host that knows him."""
    if not SSHD.exists():
        pytest.skip("openssh-server is not installed")
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with ssh_server(home) as port:
        yield home / ".ssh", f"sftp://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/cache"


def test_a_host_with_another_key_than_it_is_known_by_is_not_called_a_wrong_login(
    ssh_home: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = ssh_home
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    place = (folder / "known_hosts").read_text().partition(" ")[0]
    (folder / "known_hosts").write_text(f"{place} {(tmp_path / 'other.pub').read_text()}")
    error = _refused(url)
    assert "its host key is another than known_hosts says" in error.what
    assert "known_hosts" in error.next_step


@pytest.mark.parametrize("content", ["", "no key"], ids=["none", "unreadable"])
def test_a_user_without_a_key_is_refused_and_not_told_that_the_host_is_silent(
    ssh_home: tuple[Path, str], content: str
) -> None:
    folder, url = ssh_home
    (folder / "id_ed25519").write_text(content)
    if not content:
        (folder / "id_ed25519").unlink()
    error = _refused(url)
    assert error.exit_code == 4
    assert "there is no key for it that can be used" in error.what
