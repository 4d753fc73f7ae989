"""Files that are not what was promised: told, and never kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from index_server import (
    Index,
    html_page,
    status,
    wheel_bytes,
)
from offering import NAME, fetch, nothing_kept, offered

from ascend_wheelhouse.base.artifact import Expected
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.fetch.fetch import FetchCorruptError, FetchFailedError, fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.wheels.wheel import BadWheelError
from ascend_wheelhouse.wheels.wheel_names import WheelNamesDifferError

pytest_plugins = ["fetch_fixtures"]

Spoil = Callable[[Index, Download], Download]


def _wrong_hash(index: Index, download: Download) -> Download:
    index.offer(NAME, bytes(download.size or 0))
    return download


def _wrong_size(index: Index, download: Download) -> Download:
    index.offer(NAME, b"much shorter")
    return download


def _login_page(index: Index, download: Download) -> Download:
    index.behave(NAME, html_page())
    return download


def _disguised_login_page(index: Index, download: Download) -> Download:
    index.behave(NAME, html_page("application/octet-stream"))
    return Download(filename=NAME, expected=Expected(sha256=download.sha256), urls=download.urls)


def _gone(index: Index, download: Download) -> Download:
    index.files.clear()
    return download


def _of(content: bytes) -> Expected:
    return Expected(sha256=hashlib.sha256(content).hexdigest())


def _renamed(index: Index, download: Download) -> Download:
    content = wheel_bytes("other", "1.0")
    index.offer(NAME, content)
    return Download(filename=NAME, expected=_of(content), urls=download.urls)


def _other_version(index: Index, download: Download) -> Download:
    content = wheel_bytes("small", "1.1")
    index.offer(NAME, content)
    return Download(filename=NAME, expected=_of(content), urls=download.urls)


def _truncated_at_the_origin(index: Index, download: Download) -> Download:
    content = index.files[NAME].content[:-30]
    index.offer(NAME, content)
    return Download(filename=NAME, urls=download.urls)


def _nowhere(index: Index, download: Download) -> Download:
    index.behave(NAME, status(302))
    return download


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_wrong_hash, (faults.HashMismatchError, 5)),
        (_wrong_size, (faults.SizeMismatchError, 5)),
        (_login_page, (faults.HtmlInsteadOfFileError, 4)),
        (_disguised_login_page, (faults.HtmlInsteadOfFileError, 4)),
        (_gone, (faults.NotFoundError, 4)),
        (_nowhere, (faults.RedirectError, 4)),
        (_renamed, (WheelNamesDifferError, 5)),
        (_other_version, (WheelNamesDifferError, 5)),
        (_truncated_at_the_origin, (BadWheelError, 5)),
    ],
)
def test_a_bad_file_is_told_and_never_kept(
    index: Index, store: Store, http: Http, spoil: Spoil, fault: tuple[type[WheelhouseError], int]
) -> None:
    kind, code = fault
    download = spoil(index, offered(index))
    with pytest.raises(kind) as caught:
        fetch(download, store, http)
    assert (caught.value.exit_code, bool(caught.value.what), bool(caught.value.next_step)) == (
        code,
        True,
        True,
    )
    assert nothing_kept(store)


def test_another_url_is_tried_when_the_first_has_a_bad_file(index: Index, store: Store, http: Http) -> None:
    download = offered(index)
    index.raw["/bad"] = ("application/octet-stream", bytes(download.size or 0))
    both = replace(download, urls=(f"{index.url}/bad", *download.urls))
    assert fetch(both, store, http) == index.files[NAME].content


def test_one_bad_file_does_not_stop_the_others(index: Index, store: Store, http: Http) -> None:
    good, bad = offered(index, "good"), offered(index, "bad")
    del index.files[bad.filename]
    with pytest.raises(faults.NotFoundError):
        fetch_all([bad, good], store, http=http)
    assert store.has(str(good.sha256))


def test_several_bad_files_are_told_at_once(index: Index, store: Store, http: Http) -> None:
    downloads = [offered(index, name) for name in ("aa", "bb")]
    index.files.clear()
    with pytest.raises(FetchFailedError, match=r"^2 files .*:\n.*aa-1\.0.*\n.*bb-1\.0") as caught:
        fetch_all(downloads, store, http=http)
    assert caught.value.exit_code == 4
    index.offer(downloads[0].filename, bytes(downloads[0].size or 0))
    with pytest.raises(FetchCorruptError):
        fetch_all(downloads, store, http=http)
