"""Logins, proxies and places that pip's settings name mean here what they mean to pip."""

from __future__ import annotations

from pathlib import Path

import pytest
from index_server import FakeClock, Index, client, status

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.git import RefMissingError, find_ref
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.mirrors import Mirrors

pytest_plugins = ["fetch_fixtures"]

_DEAD = "http://127.0.0.1:9"
_ARM = Target.named("aarch64")


def test_a_token_stands_in_an_index_url_without_a_password(index: Index) -> None:
    index.raw["/page"] = ("text/html", b"here")
    with client(index, index_url=index.simple.replace("http://", "http://t%3Aken@")) as http:
        http.page(f"{index.url}/page")
    assert index.requests_for("page")[0]["Authorization"] == "Basic dDprZW46"


def test_netrc_knows_the_password_of_a_name_that_stands_alone(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    index.raw["/page"] = ("text/html", b"here")
    with client(index, index_url=index.simple.replace("http://", "http://me@")) as http:
        http.page(f"{index.url}/page")
    assert index.requests_for("page")[0]["Authorization"] == "Basic bWU6czNjcmV0"


def test_the_login_of_a_mirror_holds_for_the_files_that_its_pages_name(index: Index) -> None:
    index.raw["/file"] = ("text/plain", b"here")
    index.behave("page", status(302, Location=f"{index.url}/file"))
    mirror = {"https://origin.example/": f"{index.url.replace('http://', 'http://me:s3cret@')}/"}
    with client(mirrors=mirror) as http:
        assert http.page("https://origin.example/page").content == b"here"
    assert index.requests_for("file")[0]["Authorization"] == "Basic bWU6czNjcmV0"


@pytest.mark.parametrize("exempted", ["127.0.0.0/8", "example.com, 127.0.0.1/32", "10.0.0.0/8,127.0.0.0/8"])
def test_a_network_may_be_exempted_from_the_proxy(
    index: Index, monkeypatch: pytest.MonkeyPatch, exempted: str
) -> None:
    index.raw["/page"] = ("text/html", b"here")
    monkeypatch.setenv("http_proxy", _DEAD)
    monkeypatch.setenv("no_proxy", exempted)
    with client(index) as http:
        assert http.page(f"{index.url}/page").content == b"here"


@pytest.mark.parametrize("exempted", ["10.0.0.0/8", "127.0.0.0/99", "::/0", "localhost/8"])
def test_another_network_exempts_nothing(
    index: Index, monkeypatch: pytest.MonkeyPatch, exempted: str
) -> None:
    monkeypatch.setenv("http_proxy", _DEAD)
    monkeypatch.setenv("no_proxy", exempted)
    with client(index) as http, pytest.raises(faults.ProxyFailedError):
        http.page(f"{index.url}/page")


def test_links_over_plain_http_are_refused_as_an_index_is() -> None:
    places = ("http://links.example/wheels",)
    with client(no_index=True, find_links=places) as http, pytest.raises(faults.UntrustedHostError):
        Finder(http).versions("torch", _ARM)
    with (
        client(
            no_index=True, find_links=places, trusted_hosts=("links.example",), retries=0, proxy=_DEAD
        ) as http,
        pytest.raises(faults.ProxyFailedError),
    ):
        Finder(http).versions("torch", _ARM)


def test_no_command_shows_the_login_of_a_mirror_of_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ascend_wheelhouse.origins.git.git", lambda *_words, **_told: "")
    mirrors = Mirrors(prefixes={"https://github.com/": "https://me:s3cret@git.example/"})
    with pytest.raises(RefMissingError, match="no tag or branch 'v1'") as caught:
        find_ref("https://github.com/o/r.git", "v1", mirrors)
    assert "git ls-remote https://git.example/o/r.git" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["socks5h://me:secret@127.0.0.1:9", "http://[::1", "http://host:port", "http://"]
)
@pytest.mark.parametrize("variable", ["", "all_proxy"])
def test_a_proxy_that_is_none_is_told_as_a_setting_at_once(
    index: Index, monkeypatch: pytest.MonkeyPatch, proxy: str, variable: str
) -> None:
    """It was told as a broken connection or the origin's fault, after five tries, or as a fault of this tool."""
    clock = FakeClock()
    if variable:
        monkeypatch.setattr("ascend_wheelhouse.origins.transport.getproxies", lambda: {"all": proxy})
        monkeypatch.setattr("ascend_wheelhouse.origins.transport.proxy_bypass", lambda _host: False)
    with (
        client(index, clock=clock, proxy=None if variable else proxy) as http,
        pytest.raises(faults.ProxySettingError, match="its proxy is set to") as told,
    ):
        http.page(index.simple)
    assert (told.value.exit_code, clock.waits) == (4, [])
    assert "secret" not in str(told.value)
