"""Bringing one file into the store: on from where it stopped, hashed on its way, checked before it counts.

The partial is named by the digest that it should have, so that any origin can continue it; a file without a
promised digest is named by its URL and continued only when the server proves by `If-Range` that it is the
same one. What was continued and then has a wrong digest is fetched once more from the start; what came in
one piece and is wrong is refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.base.artifact import Artifact, Expected
from ascend_wheelhouse.base.errors import IntegrityError, WheelhouseError
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.answers import Head
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.stream import Stream
from ascend_wheelhouse.store.store import CHUNK, Store
from ascend_wheelhouse.store.store_files import Partial
from ascend_wheelhouse.wheels.intake import require_sound
from ascend_wheelhouse.wheels.wheel_names import check_wheel_names

_PROGRESS_THAT_COUNTS = 1 << 20
_STEP = 1 << 18
_WRONG = (faults.HashMismatchError, faults.SizeMismatchError, faults.RangeRefusedError)
_HTML_STARTS = (b"<!doctype html", b"<html")
_PAGES = (".html", ".htm")
_PAGE_CAME = "an HTML page came in place of the file, with status 200"


class StoppedError(WheelhouseError):
    """The run was stopped, by its user or because another part of it cannot go on; partials are kept."""

    def __init__(self) -> None:
        super().__init__(
            "Fetching was stopped.", next_step="run the same command again; what was fetched is kept"
        )


_URGENT = 1 << 60


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file to have in the store.

    Args:
        filename: Its name.
        expected: Its promised size and digest.
        name: The project it belongs to, for finding it on an index.
        urls: Where it may be fetched, first choice first; empty when an index must be asked.
        headers: Header fields to send along.
        urgent: Fetch it before those that are not.
        origin: Where the lock says that it came from, such as `index`; empty where nobody says.
    """

    filename: str
    expected: Expected = field(default_factory=Expected)
    name: str = ""
    urls: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    urgent: bool = False
    origin: str = ""

    @classmethod
    def of(
        cls, artifact: Artifact, *, name: str = "", urls: Sequence[str] = (), urgent: bool = False
    ) -> Self:
        """Return how a known file is had: its very bytes, or none."""
        expected = Expected(size=artifact.size, sha256=artifact.sha256)
        return cls(filename=artifact.filename, expected=expected, name=name, urls=tuple(urls), urgent=urgent)

    @property
    def size(self) -> int | None:
        """Its promised size in bytes, None where unknown."""
        return self.expected.size

    @property
    def sha256(self) -> str | None:
        """Its promised digest, None where nothing promises one."""
        return self.expected.sha256

    @property
    def rank(self) -> int:
        """Where it stands in a queue, lowest first: urgent ones, then big ones."""
        return -(self.size or 0) - (_URGENT if self.urgent else 0)

    @property
    def key(self) -> str:
        """What its partial is named by."""
        return self.sha256 or hashlib.sha256("\n".join(self.urls).encode()).hexdigest()


@dataclass(kw_only=True)
class _Copy:
    """The open partial with the digest of what it holds."""

    file: IO[bytes]
    size: int = 0
    continued: bool = False
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def take_in(self) -> None:
        """Digest what an earlier run left."""
        while chunk := self.file.read(CHUNK):
            self.digest.update(chunk)
            self.size += len(chunk)

    def append(self, chunk: bytes) -> None:
        self.file.write(chunk)
        self.digest.update(chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.size, self.continued, self.digest = 0, False, hashlib.sha256()


def _nobody(_size: int) -> None:
    """Tell nobody."""


@dataclass(kw_only=True)
class Way:
    """What every way of a download into the store has.

    Args:
        wanted: What to bring.
        store: Where to.
        http: The HTTP client.
        progress: Called with the bytes that are there so far.
        kept: Called with the bytes that an earlier run left.
    """

    wanted: Download
    store: Store
    http: Http
    progress: Callable[[int], None]
    kept: Callable[[int], None] = _nobody


@dataclass(kw_only=True)
class Transfer(Way):
    """One download's way into the store, by one connection; the download's `urls` are set."""

    _told: int = field(default=0, init=False)

    def run(self) -> str:
        """Fetch the file and return its sha256.

        Raises:
            OriginError: No URL gave it.
            IntegrityError: Its bytes are not those promised, or it is a wheel that contradicts its name.
            HostUnfitError: The store is full or cannot be written.
            StoppedError: The run was stopped.
        """
        with self.store.partial(self.wanted.key) as partial:
            if self.wanted.sha256 and self.store.has(self.wanted.sha256, self.wanted.size):
                return self.wanted.sha256
            sha256 = self._from_any_url(partial)
            try:
                self._look_inside(partial.path)
            except (IntegrityError, faults.HtmlInsteadOfFileError):
                partial.drop()
                raise
            partial.note_path.unlink(missing_ok=True)  # before: a kill in between would leave it for good
            return self.store.adopt(partial.path, sha256)

    def _look_inside(self, path: Path) -> None:
        """Refuse what cannot be the file; one without a promised digest is looked at as an imported one is."""
        if self.wanted.sha256 is None:
            if _is_page(path) and not self.wanted.filename.endswith(_PAGES):
                raise faults.HtmlInsteadOfFileError(self.wanted.urls[-1], _PAGE_CAME)
            require_sound(path, self.wanted.filename)
        check_wheel_names(path, self.wanted.filename)

    def _from_any_url(self, partial: Partial) -> str:
        *others, last = self.wanted.urls
        for url in others:
            try:
                return self._from(url, partial)
            except (faults.OriginError, IntegrityError):
                continue
        return self._from(last, partial)

    def _from(self, url: str, partial: Partial) -> str:
        if self.wanted.sha256 is None and not self._validator(url, partial):
            partial.drop()
        with open_partial(partial.path) as file:
            copy = _Copy(file=file)
            copy.take_in()
            self.kept(copy.size)
            try:
                return self._whole(url, partial, copy)
            except _WRONG:
                partial.note_path.unlink(missing_ok=True)
                if not copy.continued:
                    partial.drop()
                    raise
            copy.restart()
            try:
                return self._whole(url, partial, copy)
            except _WRONG:
                partial.drop()
                raise

    def _whole(self, url: str, partial: Partial, copy: _Copy) -> str:
        self._fill(url, partial, copy)
        found = copy.digest.hexdigest()
        if self.wanted.sha256 in {None, found}:
            return found
        if _is_page(partial.path):
            partial.drop()
            raise faults.HtmlInsteadOfFileError(url, _PAGE_CAME)
        raise faults.HashMismatchError(
            self.wanted.filename, expected=str(self.wanted.sha256), found=found, url=url
        )

    def _validator(self, url: str, partial: Partial) -> str:
        """Return what proves that `url` still has the file of the partial, empty when nothing does."""
        note = partial.note
        return note.get("validator", "") if note.get("url") == _fingerprint(url) else ""

    def _fill(self, url: str, partial: Partial, copy: _Copy) -> None:
        if copy.size and copy.size == self.wanted.size:
            copy.continued = True
            return
        patiently(self.http, lambda: copy.size, lambda: self._read(url, partial, copy))

    def _read(self, url: str, partial: Partial, copy: _Copy) -> None:
        validator = self._validator(url, partial)
        if not (validator or self.wanted.sha256):
            copy.restart()  # nothing would tell another file that is there by now
        copy.continued = copy.size > 0
        headers = self.wanted.headers
        with self.http.stream(url, offset=copy.size, validator=validator, headers=headers) as stream:
            self._refuse_html(url, stream)
            self._expect_size(url, stream)
            if stream.head.partial and stream.head.start != copy.size:
                raise faults.RangeRefusedError(url, "another part of the file came than was asked for")
            if copy.continued and self.wanted.sha256 is None and _is_other(validator, stream.head):
                raise faults.RangeRefusedError(url, "a part of another file came than of the one before")
            if stream.head.start != copy.size:
                copy.restart()
            if not copy.continued:
                partial.remember({"validator": stream.head.validator, "url": _fingerprint(url)})
            while chunk := stream.read(CHUNK):
                if self.http.stop.is_set():
                    raise StoppedError
                copy.append(chunk)
                self._expect_at_most(url, copy.size)
                self._tell(copy.size)
        whole = stream.head.size if stream.head.size is not None else self.wanted.size
        if whole is not None and copy.size < whole:
            raise faults.ConnectionBrokenError(url, f"ended after {copy.size} of {whole} bytes")

    def _expect_at_most(self, url: str, size: int) -> None:
        expected = self.wanted.size
        if expected is not None and size > expected:
            raise faults.SizeMismatchError(self.wanted.filename, expected=expected, found=size, url=url)

    def _tell(self, size: int) -> None:
        """Report progress in steps, since a connection yields small pieces."""
        if size - self._told >= _STEP or size == self.wanted.size or size < self._told:
            self._told = size
            self.progress(size)

    def _refuse_html(self, url: str, stream: Stream) -> None:
        html = stream.head.content_type in {"text/html", "application/xhtml+xml"}
        if html and not self.wanted.filename.endswith(_PAGES):
            raise faults.HtmlInsteadOfFileError(url, _PAGE_CAME)

    def _expect_size(self, url: str, stream: Stream) -> None:
        size, expected = stream.head.size, self.wanted.size
        if size is not None and expected is not None and size != expected:
            raise faults.SizeMismatchError(self.wanted.filename, expected=expected, found=size, url=url)


def _is_other(validator: str, head: Head) -> bool:
    """Tell whether a part is of another file, by its ETag or date; it may leave out the date (RFC 9110, 15.3.7)."""
    same_kind = validator.startswith('"') == head.validator.startswith('"')
    return head.partial and same_kind and bool(head.validator) and head.validator != validator


def patiently(http: Http, size: Callable[[], int], read: Callable[[], None]) -> None:
    """Call `read` until it comes to its end; what came in between, told by `size`, renews the patience.

    Raises:
        OriginError: It failed for good, or too often without progress.
        StoppedError: The run was stopped.
    """
    attempt = 0
    while True:
        before = size()
        try:
            return read()
        except faults.OriginError as error:
            attempt = 0 if size() - before >= _PROGRESS_THAT_COUNTS else attempt
            if not http.wait(attempt, error):
                raise
            attempt += 1
        if http.stop.is_set():
            raise StoppedError


def open_partial(path: Path) -> IO[bytes]:
    """Open a partial for reading and writing, made where it is missing, without a buffer of its own."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    rights.share(path, write=True)
    return os.fdopen(number, "r+b", buffering=0)


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(256).lstrip().lower().startswith(_HTML_STARTS)


def _fingerprint(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
