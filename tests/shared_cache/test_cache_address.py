from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cache_places import SECRET, web_server
from invoking import invoke
from site_run import MakeSite, push

from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node.trust.signature import TrustedKeyError
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.shared_cache.address import Address, CacheUrlError
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.shared_cache.folder_remote import FolderRemote
from ascend_wheelhouse.shared_cache.http_remote import HttpRemote
from ascend_wheelhouse.shared_cache.opening import CacheRefusedError, ReadOnlyCacheError, open_sites
from ascend_wheelhouse.shared_cache.remote import UnavailableError

pytest_plugins = ["cache_fixtures"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"s3://user:{SECRET}@bucket/team/?endpoint=https://s3.example", "s3://bucket/team"),
        ("s3://bucket", "s3://bucket"),
        ("file:///srv/cache", "file:///srv/cache"),
        ("/srv/cache", "file:///srv/cache"),
        (f"https://user:{SECRET}@host.example:8443/cache/", "https://host.example:8443/cache"),
        (f"ssh://user:{SECRET}@host.example/srv/cache", "sftp://host.example/srv/cache"),
        (f"https://user:{SECRET}@[fe80::1]:8443/cache", "https://[fe80::1]:8443/cache"),
        ("sftp://[fe80::1]/cache", "sftp://[fe80::1]/cache"),
    ],
)
def test_a_url_is_shown_without_its_login(url: str, shown: str) -> None:
    address = Address.of(url)
    assert address.shown == shown
    assert SECRET not in repr(address)


def test_a_file_of_a_web_server_at_an_address_of_ipv6_has_a_url_that_can_be_asked() -> None:
    remote = HttpRemote(Address.of(f"https://user:{SECRET}@[fe80::1]:8443/cache"), Http(mirrors=Mirrors()))
    assert remote.url("blobs/a b") == f"https://user:{SECRET}@[fe80::1]:8443/cache/blobs/a%20b"


@pytest.mark.parametrize("login", ["user:", f":{SECRET}", f"user:{SECRET}"])
def test_a_web_server_is_told_the_whole_login_also_where_half_of_it_is_empty(login: str) -> None:
    remote = HttpRemote(Address.of(f"https://{login}@host.example/cache"), Http(mirrors=Mirrors()))
    assert remote.url("blobs/a") == f"https://{login}@host.example/cache/blobs/a"


@pytest.mark.parametrize("url", ["file:///srv/a%23b", "/srv/a#b"])
def test_a_folder_with_a_number_sign_is_that_folder(url: str) -> None:
    assert Address.of(url).path == "/srv/a#b"


def test_an_address_whose_path_has_an_at_sign_is_taken() -> None:
    assert Address.of("https://host.example:8443/cache@home").path == "/cache@home"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"ftp://user:{SECRET}@host/cache", "its scheme is 'ftp'"),
        ("cache", "it has no scheme, and the path of a folder begins with /, ~ or ./"),
        ("s3:///team", "it names no bucket"),
        (f"s3://user:{SECRET}@bucket?endpont=x", "takes the option 'endpont'"),
        (f"https://host/cache?token={SECRET}", "takes the option 'token'"),
        ("s3://bucket?endpoint=minio:9000", "its endpoint is no URL: it begins with https:// or http://"),
        (f"s3://bucket?endpoint=https://user:{SECRET}@[::1", "its endpoint is no URL"),
        ("s3://bucket?region=eu west", "its region is none"),
        ("s3://bucket?anon=yes", "anon is 1 or 0"),
        ("s3://bucket?anon", "anon is 1 or 0"),
        (f"s3://KEY:/{SECRET}@bucket/team", "in a login /, ? and # are written %2F, %3F and %23"),
        (f"s3://KEY:12/{SECRET}@bucket/team", "in a login /, ? and # are written"),
        (f"sftp://user:/{SECRET}@host/cache", "in a login /, ? and # are written"),
        (f"https://user:12?{SECRET}@host/cache", "in a login /, ? and # are written"),
        (f"https://user:12#{SECRET}@host/cache", "in a login /, ? and # are written"),
        ("s3://bucket/team#1", "it holds a #"),
        ("file:///srv/cache#1", "it holds a #"),
        ("https://host/cache#", "it holds a #"),
        ("file://host/cache", "three slashes"),
        ("sftp://host", "it names no folder"),
        (f"https://user:{SECRET}@[::1/cache", "cannot be read as a URL"),
        ("sftp://host:port/cache", "cannot be read as a URL"),
        ("file:///srv%00/cache", "holds the character NUL"),
        ("sftp://user%00@host/cache", "holds the character NUL"),
    ],
)
def test_what_is_no_cache_is_told_with_its_reason_and_without_its_login(url: str, why: str) -> None:
    with pytest.raises(CacheUrlError) as caught:
        Address.of(url)
    assert why in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.exit_code == 2


def test_options_come_before_the_environment() -> None:
    environ = {"WHEELHOUSE_CACHE": "/one /two", "WHEELHOUSE_CACHE_KEY": "k", "WHEELHOUSE_CACHE_TRUST": "a:b"}
    assert CacheChoice.of(environ=environ) == CacheChoice(
        urls=("/one", "/two"), key=Path("k"), trust=("a", "b")
    )
    chosen = CacheChoice.of(["/three"], "other", ["c"], environ)
    assert chosen == CacheChoice(urls=("/three",), key=Path("other"), trust=("c",))


def test_a_key_for_pushing_to_a_web_server_is_bad_usage(key: Signer) -> None:
    with pytest.raises(ReadOnlyCacheError, match="can be read alone"):
        open_sites(CacheChoice(urls=("https://host.example/cache",), key=key.path), lambda _event: None)


def test_a_folder_without_public_keys_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(TrustedKeyError, match=r"holds no \*\.pub file"):
        open_sites(CacheChoice(urls=("/srv",), trust=(str(tmp_path),)), lambda _event: None)


def test_a_cache_that_holds_nothing_is_told(tmp_path: Path, site: MakeSite) -> None:
    user = site("user", f"file://{tmp_path}/mistyped")
    with user.store():
        pass
    assert "holds nothing: nobody has pushed there yet, or the URL is mistyped" in user.warnings[0]


def test_a_run_that_begins_a_cache_says_so_once(place: str, site: MakeSite) -> None:
    """A mistyped prefix, or a share that is not mounted, is an empty place too."""
    told = f"{Address.of(place).shown} held nothing: this run begins a cache there"
    first, second = site("first", place, pushes=True), site("second", place, pushes=True)
    push(first)
    push(second)
    assert told in first.notes
    assert told not in second.notes
    assert first.warnings == second.warnings == []


def test_a_folder_above_the_cache_is_never_made(tmp_path: Path, site: MakeSite) -> None:
    """A mount that is missing is no place to write to."""
    maker = site("maker", f"file://{tmp_path}/mount/cache", pushes=True)
    push(maker)
    assert "cannot be written, and nothing is pushed" in maker.warnings[0]
    assert not (tmp_path / "mount").exists()


def test_a_cache_of_another_layout_is_not_used(tmp_path: Path, site: MakeSite) -> None:
    push(site("maker", f"file://{tmp_path}/cache", pushes=True))
    (tmp_path / "cache/wheelhouse-cache.json").write_text('{"schema": 2}')
    user = site("user", f"file://{tmp_path}/cache")
    with user.store() as store:
        assert store.behind
        assert not store.behind.bring_result("build-1")
    assert "laid out by another version" in user.warnings[0]


@pytest.mark.parametrize("content", ["<!doctype html><title>Sign in</title>", "", "[1]"])
def test_what_answers_with_something_else_is_not_called_another_version(
    tmp_path: Path, site: MakeSite, content: str
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/wheelhouse-cache.json").write_text(content)
    user = site("user", f"file://{tmp_path}/cache")
    with user.store():
        pass
    assert "answers with something else for wheelhouse-cache.json, such as a page" in user.warnings[0]


def test_a_host_whose_key_is_unknown_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cache_places import ssh_server  # noqa: PLC0415 - the test is skipped without one

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with ssh_server(tmp_path / "home") as port:
        (tmp_path / "home/.ssh/known_hosts").unlink()
        with pytest.raises(CacheRefusedError, match="its host key is not in known_hosts"):
            open_sites(
                CacheChoice(urls=(f"sftp://root@127.0.0.1:{port}{tmp_path}/cache",)), lambda _event: None
            )


def test_invoke_cache_shows_a_shared_cache_and_prunes_it_alone_where_it_is_named(
    tmp_path: Path, site: MakeSite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = site("maker", f"file://{tmp_path}/cache", pushes=True)
    push(maker)
    capsys.readouterr()
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path / "cache"))
    assert invoke("cache", root=tmp_path) == 0
    shown = capsys.readouterr().out
    assert f"file://{tmp_path}/cache\n1 file, 8 B; 1 result" in shown
    assert invoke("cache", "--prune", "--cache", tmp_path / "cache", "--keep", "0", root=tmp_path) == 0
    assert "removed 0 files" in capsys.readouterr().out
    assert len(list((maker.root / "store/blobs").glob("??/*"))) == 1


def test_invoke_cache_says_of_a_place_without_anything_that_it_may_be_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke("cache", "--cache", tmp_path / "mistyped", root=tmp_path) == 0
    assert "nobody has pushed there yet, or the URL is mistyped" in capsys.readouterr().out


def test_of_several_caches_none_is_pruned_where_one_is_no_cache(
    tmp_path: Path, site: MakeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was removed from the first would not be told: the command ends with the second."""
    push(site("maker", f"file://{tmp_path}/cache", pushes=True))
    old = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    for path in old:
        os.utime(path, (1_000_000_000,) * 2)
    caches = ("--cache", tmp_path / "cache", "--cache", tmp_path / "mistyped")
    assert invoke("cache", "--prune", *caches, root=tmp_path) == 2
    assert "mistyped is no cache" in capsys.readouterr().err
    assert all(path.exists() for path in old)
    assert invoke("cache", "--prune", *caches[:2], root=tmp_path) == 0
    assert "removed 1 file, 8 B, and 1 result" in capsys.readouterr().out


def test_invoke_cache_counts_nothing_behind_a_web_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with web_server(tmp_path) as (url, _):
        assert invoke("cache", "--cache", url, root=tmp_path) == 0
    assert "a web server lists nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--keep", "soon"), "--keep 'soon' is not a number of days"),
        (("--max-size", "5 apples"), "--max-size '5 apples' is not a size"),
        (("--lock", "nowhere"), "nowhere holds no lock"),
    ],
)
def test_a_retention_that_says_nothing_is_bad_usage(
    words: tuple[str, str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke("cache", "--prune", *words, root=tmp_path) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["", "/srv/wheels"])
@pytest.mark.parametrize("words", [("--keep", "90"), ("--max-size", "5G"), ("--keep", "7", "--prune")])
def test_a_retention_without_a_cache_to_prune_is_refused_and_the_store_kept(
    words: tuple[str, ...],
    variable: str,
    tmp_path: Path,
    site: MakeSite,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maker = site("maker", f"file://{tmp_path}/cache", pushes=True)
    push(maker)
    monkeypatch.setenv("WHEELHOUSE_CACHE", variable)
    assert invoke("cache", *words, root=tmp_path) == 2
    told = capsys.readouterr().err
    assert "no shared cache is pruned" in told
    assert f"{words[0]} {words[1]}" in told.partition("Next: invoke cache --prune --cache URL ")[2]
    assert len(list((maker.root / "store/blobs").glob("??/*"))) == 1


def test_a_cache_of_the_environment_that_does_not_answer_keeps_no_store_from_being_pruned(
    tmp_path: Path, site: MakeSite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = site("maker", f"file://{tmp_path}/cache", pushes=True)
    push(maker)
    away = "sftp://nobody@127.0.0.1:9/srv/cache"
    monkeypatch.setenv("WHEELHOUSE_CACHE", f"{away} {tmp_path}/cache")
    assert invoke("cache", "--prune", root=tmp_path) == 0
    told = capsys.readouterr()
    assert "sftp://127.0.0.1:9/srv/cache does not answer" in told.err
    assert "freed 8 B" in told.out
    assert "1 file, 8 B; 1 result" in told.out
    assert invoke("cache", "--cache", away, root=tmp_path) == 4


def test_what_was_removed_from_the_first_is_told_where_the_second_fails_meanwhile(
    tmp_path: Path, site: MakeSite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / name for name in ("first", "second", "third")]
    for place in places:
        push(site("maker", f"file://{place}", pushes=True))
        for path in (one for one in place.rglob("*") if one.is_file()):
            os.utime(path, (1_000_000_000,) * 2)

    def drop(remote: FolderRemote, _before: float) -> None:
        if remote.shown.endswith("second"):
            raise UnavailableError("the mount is gone")

    monkeypatch.setattr(FolderRemote, "drop_unfinished", drop)
    words = [word for place in places for word in ("--cache", str(place))]
    capsys.readouterr()
    assert invoke("cache", "--prune", *words, root=tmp_path) == 4
    told = capsys.readouterr()
    assert told.out.count("removed 1 file, 8 B, and 1 result") == 2
    assert "second does not answer: the mount is gone" in told.err
    assert invoke("cache", "--prune", "--json", *words, root=tmp_path) == 4
    rows = json.loads(capsys.readouterr().out)["shared"]
    assert [row["error"] and row["error"]["error"] for row in rows] == [None, "CacheUnreachableError", None]
    assert [row["removed_files"] for row in rows] == [0, None, 0]
