"""One project page of a simple index, HTML (PEP 503) or JSON (PEP 691), as links with size and upload time.

unearth parses both; the size (PEP 700) and HTML's `data-upload-time` are read beside it. A page of a large
project has 4 MB, so a reader that looks for one file name cuts the HTML down to the anchors that mention it
first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import url2pathname

from unearth.collector import IndexHTMLParser, IndexPage, parse_html_page, parse_json_response
from unearth.link import Link

from ascend_wheelhouse.origins.answers import Page
from ascend_wheelhouse.origins.faults import OriginError

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_ANCHOR = re.compile(rb"<a\b[^>]*>.*?</a>", re.IGNORECASE | re.DOTALL)
_BASE = re.compile(rb"<base\b[^>]*>", re.IGNORECASE)


class NotAnIndexError(OriginError):
    """What came is neither a PEP 503 nor a PEP 691 page."""

    reason = "The index URL is wrong, or a login page answered in place of the index."
    advice = "check `pip config list`; the index URL usually ends in /simple"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One file that an index page offers; its size in bytes is None where the page does not say."""

    link: Link
    size: int | None

    @property
    def filename(self) -> str:
        """The file's name."""
        return self.link.filename

    @property
    def sha256(self) -> str | None:
        """The file's digest as the page gives it."""
        digests = (self.link.hash_option or {}).get("sha256", [])
        return digests[0] if digests else None

    @property
    def url(self) -> str:
        """Where the file is."""
        return self.link.url_without_fragment

    @property
    def upload_time(self) -> datetime | None:
        """When it was uploaded, None where the page does not say."""
        return self.link.upload_time

    @property
    def yanked(self) -> bool:
        """Whether its author withdrew it."""
        return self.link.is_yanked


def offers(page: Page, *, mentioning: str = "") -> list[Offer]:
    """Return the files that a page offers, in its order.

    Args:
        page: The index's answer.
        mentioning: A part of file names: offers of other files are left out where that saves work.

    Raises:
        NotAnIndexError: The answer is no index page.
    """
    kind = page.content_type.lower()
    if "json" in kind:
        return _from_json(page, mentioning)
    if "html" in kind:
        return _from_html(page, mentioning)
    raise NotAnIndexError(page.url, f"answered with {kind or 'no content type'!r}, not an index page")


def folder_offers(folder: Path) -> list[Offer]:
    """Return the distributions that lie in a local folder."""
    return [
        Offer(link=Link.from_path(path.absolute()), size=path.stat().st_size)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix in {".whl", ".gz", ".zip"}
    ]


def local_path(place: str) -> Path | None:
    """Return the path that a place of pip's configuration stands for, None when it is not on this host."""
    if place.startswith("file:"):
        return Path(url2pathname(urlsplit(place).path))
    return None if "://" in place else Path(place).expanduser()


def _from_json(page: Page, mentioning: str) -> list[Offer]:
    try:
        every = json.loads(page.content)["files"]
        files = [file for file in every if mentioning in file["filename"]] or every
        sizes = {urljoin(page.url, file["url"]): file.get("size") for file in files}
        links = list(parse_json_response(_index_page(page, json.dumps({"files": files}).encode())))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAnIndexError(page.url, f"sent JSON that is no index page: {error}") from error
    return [Offer(link=link, size=sizes.get(link.url)) for link in links]


def _from_html(page: Page, mentioning: str) -> list[Offer]:
    content = _cut(page.content, mentioning) if mentioning else page.content
    links = list(parse_html_page(_index_page(page, content)))
    times = _upload_times(page.url, content)
    for link in links:
        link.upload_time = times.get(link.url)
    return [Offer(link=link, size=None) for link in links]


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


def _upload_times(url: str, content: bytes) -> dict[str, datetime]:
    if b"data-upload-time" not in content:
        return {}
    parser = IndexHTMLParser()
    parser.feed(content.decode("utf-8", "replace"))
    base = parser.base_url or url
    stated = ((anchor.get("href"), anchor.get("data-upload-time")) for anchor in parser.anchors)
    return {urljoin(base, href): _time(when) for href, when in stated if href and when}


def _time(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _index_page(page: Page, content: bytes) -> IndexPage:
    return IndexPage(Link(page.url), content, "utf-8", page.content_type)
