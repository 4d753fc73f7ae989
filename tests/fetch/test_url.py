from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from index_server import Index, html_page, status, wheel_bytes
from making_packages import makeself

from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.fetch.archive import BrokenArchiveError, NoSuchMemberError, SeveralMembersError
from ascend_wheelhouse.fetch.url import Releases, filled
from ascend_wheelhouse.origins.faults import HashMismatchError, HtmlInsteadOfFileError, NotFoundError
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.local import NoSuchFileError, hand_over
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import DamagedBlobError
from ascend_wheelhouse.wheels.admission import NotMakeselfError
from ascend_wheelhouse.wheels.wheel_names import WheelNamesDifferError

pytest_plugins = ["fetch_fixtures"]

_WHEEL = "small-1.0-py3-none-any.whl"


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def _tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_a_template_is_filled_with_quoted_fields() -> None:
    assert filled("https://x.example/{a}/f-{b}.whl", {"a": "CANN 8", "b": "1+cpu"}) == (
        "https://x.example/CANN%208/f-1%2Bcpu.whl"
    )
    with pytest.raises(KeyError, match=r"^'c'$"):
        filled("https://x.example/{c}", {})


def test_a_file_is_brought_by_its_url(index: Index, store: Store, http: Http) -> None:
    package = makeself()
    index.raw["/r/kit 1.run"] = ("application/octet-stream", package)
    held = Releases(store, http).file(f"{index.url}/r/kit%201.run", headers={"Referer": "https://x.example/"})
    assert (held.filename, held.size) == ("kit 1.run", len(package))
    assert store.has(held.sha256)
    assert {headers["Referer"] for _, _, headers in index.asked} == {"https://x.example/"}


def test_a_file_with_the_same_validator_is_not_brought_again(index: Index, store: Store, http: Http) -> None:
    index.etag = True
    index.offer(_WHEEL, wheel_bytes("small", "1.0"))
    first, second = (Releases(store, http).file(index.file_url(_WHEEL)) for _ in range(2))
    assert first == second
    assert len(index.requests_for(_WHEEL)) == 1
    index.offer(_WHEEL, wheel_bytes("small", "1.0", filler=9))
    assert Releases(store, http).file(index.file_url(_WHEEL)).sha256 != first.sha256


@pytest.mark.parametrize("content", [b"#!/bin/sh\necho no\n", bytes(range(256)) * 12, makeself()[:-3]])
def test_a_package_that_is_none_is_refused_and_not_kept(
    index: Index, store: Store, http: Http, content: bytes
) -> None:
    index.raw["/kit.run"] = ("application/octet-stream", content)
    with pytest.raises(NotMakeselfError):
        Releases(store, http).file(f"{index.url}/kit.run")
    assert list(store.blobs()) == []
    assert list(store.root.glob("incoming/*")) == []


@pytest.mark.parametrize("name", ["kit.run", "release.zip", "source.tar.gz"])
def test_an_error_page_that_says_nothing_of_itself_is_told(
    index: Index, store: Store, http: Http, name: str
) -> None:
    index.raw[f"/{name}"] = ("application/octet-stream", b"\n <!DOCTYPE html><title>403</title>")
    with pytest.raises(HtmlInsteadOfFileError):
        Releases(store, http).file(f"{index.url}/{name}")
    assert list(store.blobs()) == []


@pytest.mark.parametrize("gone", [False, True])
def test_what_an_origin_gave_is_taken_from_the_store_while_it_does_not_answer(
    index: Index, store: Store, http: Http, *, gone: bool
) -> None:
    index.raw["/kit.run"] = ("application/octet-stream", makeself())
    told: list[Event] = []
    first = Releases(store, http).file(f"{index.url}/kit.run")
    index.behave("kit.run", *[status(404 if gone else 503)] * 20)
    if gone:
        with pytest.raises(NotFoundError):
            Releases(store, http, told.append).file(f"{index.url}/kit.run")
        return
    assert Releases(store, http, told.append).file(f"{index.url}/kit.run") == first
    (note,) = (event for event in told if isinstance(event, Note))
    assert first.sha256 in note.text


def test_a_missing_release_is_told(index: Index, store: Store, http: Http) -> None:
    with pytest.raises(NotFoundError):
        Releases(store, http).file(f"{index.url}/nothing.zip")


@pytest.mark.parametrize("pattern", ["out/small-*.whl", "small-*.whl", "*/small-*.whl"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_of_an_archive_is_brought(
    index: Index, store: Store, http: Http, kind: str, pattern: str
) -> None:
    wheel = wheel_bytes("small", "1.0")
    content = (
        _zip(**{f"out__{_WHEEL}": wheel, "README": b""}) if kind == "zip" else _tar(f"out/{_WHEEL}", wheel)
    )
    index.raw["/a"] = ("application/octet-stream", content)
    held = Releases(store, http).member(f"{index.url}/a", pattern)
    assert held.filename == _WHEEL
    assert store.path(held.sha256).read_bytes() == wheel


def test_a_member_that_climbs_out_is_named_by_its_last_part(index: Index, store: Store, http: Http) -> None:
    index.raw["/a"] = ("application/octet-stream", _tar("../../evil.bin", b"x"))
    assert Releases(store, http).member(f"{index.url}/a", "*.bin").filename == "evil.bin"


def test_no_member_or_several_are_told(index: Index, store: Store, http: Http) -> None:
    index.raw["/a"] = ("application/octet-stream", _zip(a_run=b"a", b_run=b"b"))
    with pytest.raises(NoSuchMemberError) as caught:
        Releases(store, http).member(f"{index.url}/a", "*.whl")
    assert caught.value.why == "It has a_run, b_run."
    with pytest.raises(SeveralMembersError, match=r"2 files that fit '\*_run': a_run, b_run"):
        Releases(store, http).member(f"{index.url}/a", "*_run")


def test_an_archive_that_is_none_is_told(index: Index, store: Store, http: Http) -> None:
    index.raw["/a"] = ("application/octet-stream", b"PK not really")
    with pytest.raises(BrokenArchiveError) as caught:
        Releases(store, http).member(f"{index.url}/a", "*")
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("left", [0, -40])
def test_an_archive_that_was_damaged_in_the_store_is_told_as_that_and_brought_again(
    index: Index, store: Store, http: Http, left: int
) -> None:
    """The release was said to be damaged, at every run: the server still had the same one."""
    index.etag = True
    index.offer("kit.zip", _zip(**{_WHEEL: wheel_bytes("small", "1.0", filler=999)}))
    first = Releases(store, http).member(index.file_url("kit.zip"), "*.whl")
    (path,) = (store.path(one.sha256) for one in store.blobs() if one.sha256 != first.sha256)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:left])
    with pytest.raises(DamagedBlobError, match="was damaged"):
        Releases(store, http).member(index.file_url("kit.zip"), "*.whl")
    assert Releases(store, http).member(index.file_url("kit.zip"), "*.whl") == first


def test_a_renamed_wheel_in_an_archive_is_refused(index: Index, store: Store, http: Http) -> None:
    index.raw["/a"] = ("application/octet-stream", _zip(**{_WHEEL: wheel_bytes("other", "1.0")}))
    with pytest.raises(WheelNamesDifferError):
        Releases(store, http).member(f"{index.url}/a", "*.whl")
    assert list(store.root.glob("incoming/*")) == []


def test_an_imported_file_is_copied(store: Store, tmp_path: Path) -> None:
    path = tmp_path / _WHEEL
    path.write_bytes(wheel_bytes("small", "1.0"))
    held = hand_over(path, store)
    assert store.path(held.sha256).read_bytes() == path.read_bytes()
    assert hand_over(path, store, sha256=held.sha256) == held


def test_an_imported_file_must_exist_and_be_the_right_one(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NoSuchFileError, match=r"nothing\.whl is not a file"):
        hand_over(tmp_path / "nothing.whl", store)
    path = tmp_path / "kit.run"
    path.write_bytes(b"x")
    with pytest.raises(HashMismatchError, match=r"^kit\.run: sha256 is 2d71.*expected 0000"):
        hand_over(path, store, sha256="0" * 64)
    assert list(store.blobs()) == []


def test_an_html_page_in_place_of_a_release_is_told(index: Index, store: Store, http: Http) -> None:
    index.behave("kit.run", html_page())
    index.raw["/kit.run"] = ("application/octet-stream", b"x")
    with pytest.raises(Exception, match=r"an HTML page came in place of the file"):
        Releases(store, http).file(f"{index.url}/kit.run")
