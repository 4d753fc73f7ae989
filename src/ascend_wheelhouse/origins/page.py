"""One project page of a simple index, HTML (PEP 503) or JSON (PEP 691 with PEP 700), as the files that it offers.

A page of a large project has 4 MB, and parsing it in full costs more than sending it, so a reader that looks for
certain files has the page cut down to what mentions them first. unearth's parser is not used here: it drops sizes
and HTML's upload times, and importing it takes longer than all look-ups of a lock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import NoneType
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import url2pathname

from ascend_wheelhouse.base.artifact import Expected
from ascend_wheelhouse.base.places import at_home
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.origins.answers import Page
from ascend_wheelhouse.origins.faults import OriginError, UnreadableFolderError

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_ANCHOR = re.compile(rb"<a\b[^>]*>.*?</a>", re.IGNORECASE | re.DOTALL)
_BASE = re.compile(rb"<base\b[^>]*>", re.IGNORECASE)
Wanted = Callable[[str], bool]
"""Tells by its name whether a file counts."""
_MAJOR = "1"
_SIMPLE = re.compile(
    rb"<meta\b[^>]*\bpypi:repository-version\b"
    rb"|<(?:title|h1)\b[^>]*>\s*(?:links for|index of|simple index|directory listing)\b"
    rb"|\bhref\s*=\s*[\"']?[^\"'>\s]+\.(?:whl|tar\.gz|zip|egg|tar\.bz2)[\"'#?>\s]",
    re.IGNORECASE,
)
_FILES = (".whl", ".tar.gz", ".zip", ".egg", ".tar.bz2", ".tgz", ".exe", ".msi", ".rpm", ".tar.xz", ".tar.Z")
"""How names of distributions end, those of old releases included."""
_SHA256 = re.compile(r"(?:^|&)sha256=([0-9a-f]{64})(?:&|$)", re.IGNORECASE)


class NotAnIndexError(OriginError):
    """What came is neither a PEP 503 nor a PEP 691 page."""

    reason = "The index URL is wrong, or a login page or another page answered in place of the index."
    advice = "check `pip config list`; the index URL usually ends in /simple"


class IndexTooNewError(NotAnIndexError):
    """An index speaks another major version of its API (PEP 629)."""

    reason = "The index is newer than this tool, or much older."
    advice = "a newer version of this tool, or an index that speaks version 1"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One file that an index page offers.

    Args:
        filename: Its name.
        url: Where it is, without a fragment.
        expected: Its size and digest, as far as the page says them.
        upload_time: When it was uploaded, None where the page does not say.
        requires_python: The Python versions that it is for, empty for all.
        yanked: Whether its author withdrew it.
        yank_reason: Why, in the author's words; may be empty.
    """

    filename: str
    url: str
    expected: Expected = field(default_factory=Expected)
    upload_time: datetime | None = None
    requires_python: str = ""
    yanked: bool = False
    yank_reason: str = ""

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel, by its name."""
        return self.filename.endswith(".whl")


def offers(page: Page, *, mentioning: str = "", wanted: Wanted | None = None) -> list[Offer]:
    """Return the files that a page offers, in its order.

    Args:
        page: The index's answer.
        mentioning: A part of file names: offers of other files are left out where that saves work.
        wanted: Tells by its name whether a file counts; the rest of a JSON page is not looked at.

    Raises:
        NotAnIndexError: The answer is no index page.
    """
    kind = page.content_type.lower()
    if "json" in kind:
        return _from_json(page, mentioning, wanted)
    if "html" in kind:
        found = _from_html(page, mentioning)
        return found if wanted is None else [one for one in found if wanted(one.filename)]
    raise NotAnIndexError(page.url, f"answered with {kind or 'no content type'!r}, not an index page")


def folder_offers(folder: Path) -> list[Offer]:
    """Return the distributions that lie in a local folder.

    Raises:
        UnreadableFolderError: It cannot be listed.
    """
    try:
        return [
            Offer(
                filename=path.name, url=path.absolute().as_uri(), expected=Expected(size=path.stat().st_size)
            )
            for path in sorted(folder.iterdir())
            if path.is_file() and path.suffix in {".whl", ".gz", ".zip"}
        ]
    except OSError as error:
        raise UnreadableFolderError(
            folder.absolute().as_uri(), error.strerror or "cannot be listed"
        ) from error


def local_path(place: str) -> Path | None:
    """Return the path that a place of pip's configuration stands for, None when it is not on this host."""
    if place.startswith("file:"):
        return Path(url2pathname(urlsplit(place).path))
    return None if "://" in place else at_home(place)


def line(value: object) -> bool:
    """A text of one line, or an empty one."""
    return value == "" or documents.name(value)


def time(value: object) -> bool:
    """A time as PEP 700 writes it."""
    try:
        return value == "" or (isinstance(value, str) and time_of(value) is not None)
    except ValueError:
        return False


FILE = {
    "filename": documents.name,
    "url": documents.name,
    "hashes?": ({...: str}, NoneType),
    "size?": (documents.size, NoneType),
    "upload-time?": (time, NoneType),
    "requires-python?": (line, NoneType),
    "yanked?": (bool, str, NoneType),
    "core-metadata?": (bool, {...: str}, NoneType),
}
"""What may be relied on of a file on a page."""


def json_files(content: bytes, url: str) -> list[dict[str, Any]]:
    """Return what a JSON page says of files, each with a name; the rest of one is judged by `require_file`.

    Raises:
        NotAnIndexError: It is no such page.
        IndexTooNewError: It is one of another major version.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotAnIndexError(url, f"sent JSON that cannot be read: {error}") from error
    files = document.get("files") if isinstance(document, dict) else None
    _require_version(document, url)
    if not isinstance(files, list) or not all(
        isinstance(file, dict) and isinstance(file.get("filename"), str) for file in files
    ):
        raise NotAnIndexError(url, "sent JSON that is no index page: it has no list of files with names")
    return files


def _require_version(document: object, url: str) -> None:
    """Refuse a page of another major version; a newer minor one adds what may be passed over (PEP 629)."""
    meta = document.get("meta") if isinstance(document, dict) else None
    version = meta.get("api-version") if isinstance(meta, dict) else None
    if isinstance(version, str) and version.partition(".")[0] != _MAJOR:
        raise IndexTooNewError(
            url, f"speaks version {version!r:.20} of the index API, and this tool {_MAJOR}.x"
        )


def project_status(page: Page) -> str:
    """Return what a JSON page says of a project as a whole (PEP 792); empty where nothing or `active`."""
    if "json" not in page.content_type.lower():
        return ""
    try:
        stated = json.loads(page.content).get("project-status")
        status, reason = stated["status"], stated.get("reason") or ""
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return ""
    if not (documents.name(status) and line(reason)) or status == "active":
        return ""
    return f"{status}: {reason}" if reason else str(status)


def require_file(file: dict[str, Any], url: str) -> dict[str, Any]:
    """Return what a page says of a file, held to `FILE`.

    Raises:
        NotAnIndexError: It is something else.
    """
    if fault := documents.fault(file, FILE):
        raise NotAnIndexError(url, f"says of a file what cannot be: {fault}")
    return file


@contextmanager
def reading(url: str) -> Iterator[None]:
    """Turn what a page makes of the readers of URLs and HTML into the error for one that is no index page."""
    try:
        yield
    except (
        ValueError,
        AssertionError,
    ) as error:  # the latter is what html.parser raises for an odd declaration
        raise NotAnIndexError(url, f"sent a page that cannot be read: {error}") from error


def _from_json(page: Page, mentioning: str, wanted: Wanted | None) -> list[Offer]:
    every = json_files(page.content, page.url)
    if wanted is not None:
        every = [file for file in every if wanted(file["filename"])]
    files = [file for file in every if mentioning in file["filename"]] or every
    with reading(page.url):
        return [_of_json(require_file(file, page.url), page.url) for file in files]


def _of_json(file: Mapping[str, Any], base: str) -> Offer:
    sha256 = (file.get("hashes") or {}).get("sha256")
    return Offer(
        filename=file["filename"],
        url=urljoin(base, file["url"]),
        expected=Expected(size=file.get("size"), sha256=sha256.lower() if sha256 else None),
        upload_time=time_of(file.get("upload-time")),
        requires_python=file.get("requires-python") or "",
        yanked=(file.get("yanked") or False) is not False,
        yank_reason=yanked if isinstance(yanked := file.get("yanked"), str) else "",
    )


def _from_html(page: Page, mentioning: str) -> list[Offer]:
    parser = _Anchors()
    with reading(page.url):
        parser.feed(
            (_cut(page.content, mentioning) if mentioning else page.content).decode("utf-8", "replace")
        )
        base = urljoin(page.url, parser.base)
        found = [_of_anchor(anchor, base) for anchor in parser.anchors if anchor.get("href")]
    if not any(offer.filename.endswith(_FILES) for offer in found):
        require_simple(page.content, page.url)
    return [offer for offer in found if documents.name(offer.filename) and documents.name(offer.url)]


def require_simple(content: bytes, url: str) -> None:
    """Hold an HTML page without a distribution to what an index or a listing of a folder says of itself.

    Raises:
        NotAnIndexError: It says nothing of that, as a login page does.
    """
    if not _SIMPLE.search(content):
        raise NotAnIndexError(url, "sent a page that names no distribution and is no index page")


def _of_anchor(anchor: Mapping[str, str | None], base: str) -> Offer:
    parts = urlsplit(urljoin(base, anchor["href"] or ""))
    sha256 = _SHA256.search(parts.fragment)
    return Offer(
        filename=unquote(parts.path.rpartition("/")[2]),
        url=parts._replace(fragment="").geturl(),
        expected=Expected(sha256=sha256[1].lower() if sha256 else None),
        upload_time=time_of(anchor.get("data-upload-time")),
        requires_python=anchor.get("data-requires-python") or "",
        yanked="data-yanked" in anchor,
        yank_reason=anchor.get("data-yanked") or "",
    )


class _Anchors(HTMLParser):
    """The attributes of every anchor of a page, and its base URL."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.anchors: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "base" and not self.base:
            self.base = dict(attrs).get("href") or ""
        elif tag == "a":
            self.anchors.append(dict(attrs))


def _cut(content: bytes, mentioning: str) -> bytes:
    found: dict[int, bytes] = {}
    for needle in {mentioning.encode(), quote(mentioning).encode()}:
        found |= _anchors(content, needle)
    anchors = [anchor for _, anchor in sorted(found.items())]
    return b"\n".join(_BASE.findall(content)[:1] + anchors) if anchors else content


def _anchors(content: bytes, needle: bytes) -> dict[int, bytes]:
    """Return the anchors around each place of `needle`, by offset, without walking the rest of the page."""
    found: dict[int, bytes] = {}
    at = content.find(needle)
    while at >= 0:
        start = max(content.rfind(b"<a ", 0, at), content.rfind(b"<A ", 0, at))
        anchor = _ANCHOR.match(content, start) if start >= 0 else None
        if anchor and anchor.end() > at:
            found[start] = anchor[0]
        at = content.find(needle, max(at + 1, anchor.end() if anchor else 0))
    return found


def time_of(text: str | None) -> datetime | None:
    """Return the time that a page states, None where it states none.

    Raises:
        ValueError: What it states is no time.
    """
    if not text:
        return None
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
