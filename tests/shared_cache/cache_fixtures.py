"""Fixtures: the places of `cache_places`, and a run on a store with caches behind it."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from cache_places import SSHD, Proxy, S3Server, proxied, s3_server, ssh_server
from site_run import MakeSite, SiteRun

from ascend_wheelhouse.folder.signing import Signer, generate_key
from ascend_wheelhouse.shared_cache.choice import CacheChoice

_NUMBERS = count()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Proxy]:
    with proxied(s3.url) as running:
        yield running


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return generate_key(tmp_path_factory.mktemp("keys") / "wheelhouse-key")


@pytest.fixture(params=["file", "s3", "sftp"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each kind of place that can be written, empty."""
    if request.param == "file":
        yield f"file://{tmp_path}/cache"
    elif request.param == "s3":
        yield request.getfixturevalue("s3").cache(f"place-{next(_NUMBERS)}")
    elif not SSHD.exists():
        pytest.skip("openssh-server is not installed")
    else:
        home = tmp_path / "home"
        monkeypatch.setenv("HOME", str(home))
        with ssh_server(home) as port:
            yield f"sftp://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/cache"


@pytest.fixture
def site(tmp_path: Path, key: Signer, monkeypatch: pytest.MonkeyPatch) -> MakeSite:
    """Return what makes a site: its name, its cache, whether it pushes, and whom it trusts."""

    def make(name: str, url: str, *, pushes: bool = False, trust: tuple[str, ...] | None = None) -> SiteRun:
        trusted = (key.fingerprint,) if trust is None else trust
        choice = CacheChoice(urls=(url,), key=key.path if pushes else None, trust=trusted)
        return SiteRun(root=tmp_path / name, choice=choice, monkeypatch=monkeypatch)

    return make
