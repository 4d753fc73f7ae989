"""Files at URLs made from templates, and files inside release archives at such URLs.

Nothing promises a digest here, so what was fetched is remembered by URL and taken from the store again only
while the origin still states the same size and validator (ETag or Last-Modified), or does not answer at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote, unquote, urlsplit

from ascend_wheelhouse.base.artifact import Artifact, Expected
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit, Note, silent
from ascend_wheelhouse.fetch.archive import take_member
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store

_AWAY = (
    faults.ConnectionBrokenError,
    faults.ProxyFailedError,
    faults.ServerFailedError,
    faults.StalledError,
    faults.TooManyRequestsError,
    faults.UnreachableHostError,
)
_RECORD = {"sha256": documents.sha256, "stated": {}}


def filled(template: str, fields: Mapping[str, str]) -> str:
    """Return the URL that a template makes of `fields`, each quoted (`2.8.0+cpu` becomes `2.8.0%2Bcpu`).

    Raises:
        KeyError: The template names a field that `fields` lacks.
    """
    return template.format_map({name: quote(value, safe="") for name, value in fields.items()})


class Releases:
    """Brings files of URLs and release archives into the store.

    Args:
        store: Where to.
        http: The HTTP client.
        emit: Told of each file.
    """

    def __init__(self, store: Store, http: Http, emit: Emit = silent) -> None:
        self._store = store
        self._http = http
        self._emit = emit

    def file(self, url: str, *, headers: Mapping[str, str] | None = None) -> Artifact:
        """Bring the file behind `url`.

        Raises:
            OriginError: The origin did not give it.
            IntegrityError: It is a wheel that cannot be read or contradicts its name.
        """
        sent = tuple((headers or {}).items())
        filename = unquote(urlsplit(url).path.rpartition("/")[2])
        record = self._store.result(_key(url), _RECORD) or {}
        before: str = record["sha256"] if record and self._store.has(record["sha256"]) else ""
        download = Download(filename=filename, urls=(url,), headers=sent)
        try:
            sha256 = self._given(download, before, record.get("stated"))
        except _AWAY as error:
            if not before:
                raise
            text = f"{filename}: {error.what} What it gave before is taken from the store, sha256 {before}."
            self._emit(Note(text=text, level="warning"))
            sha256 = before
        return self._store.artifact(filename, sha256)

    def _given(self, download: Download, before: str, stated_before: object) -> str:
        """Return the sha256 of what an origin has now: `before`, while it states the same of it."""
        (url,) = download.urls
        head = self._http.head(url, headers=download.headers)
        stated = {"size": head.size, "validator": head.validator}
        if before and head.validator and stated_before == stated:
            return before
        download = replace(download, expected=Expected(size=head.size))
        sha256 = fetch_all([download], self._store, self._emit, http=self._http)[0].sha256
        self._store.put_result(_key(url), {"sha256": sha256, "stated": stated})
        return sha256

    def member(self, url: str, pattern: str, *, headers: Mapping[str, str] | None = None) -> Artifact:
        """Bring the one member that `pattern` fits of the archive behind `url`.

        Raises:
            OriginError: The origin did not give the archive.
            NoSuchMemberError: Nothing in it fits.
            SeveralMembersError: More than one member fits.
            BrokenArchiveError: It cannot be read.
            DamagedBlobError: What the store has of it is damaged; it is removed, so that it is fetched again.
        """
        archive = self.file(url, headers=headers)
        path = self._store.path(archive.sha256)
        try:
            return take_member(path, pattern, self._store, label=faults.redacted(url))
        except IntegrityError:
            self._store.check(archive.sha256)
            raise


def _key(url: str) -> str:
    return "release-" + hashlib.sha256(url.encode()).hexdigest()
