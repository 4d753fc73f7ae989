"""Project pages of a package index in one shape: PEP 691's file objects, from its JSON or PEP 503's HTML.

`data-upload-time` in HTML is what several mirrors send in place of the JSON's `upload-time`; pip does not
read it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion

ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
FileObject = dict[str, Any]

_MIRRORED = {
    "data-requires-python": "requires-python",
    "data-upload-time": "upload-time",
    "data-core-metadata": "core-metadata",
}


def read_files(content: bytes, content_type: str, url: str) -> list[FileObject]:
    """Return the files that a project page lists, with absolute URLs.

    Args:
        content: The page.
        content_type: Its media type; JSON of PEP 691, or else HTML.
        url: Where it was found, for relative links.
    """
    if "json" in content_type:
        files: list[FileObject] = json.loads(content)["files"]
        return [{**file, "url": urljoin(url, file["url"])} for file in files]
    parser = _Anchors(url)
    parser.feed(content.decode("utf-8", errors="replace"))
    return parser.files


def uploaded(file: FileObject) -> datetime | None:
    """Return when the file was uploaded, None where the index does not tell."""
    text = file.get("upload-time")
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def version_of(file: FileObject) -> str | None:
    """Return the version in the file's name, None for what is neither wheel nor sdist."""
    name: str = file["filename"]
    try:
        return str(parse_wheel_filename(name)[1] if name.endswith(".whl") else parse_sdist_filename(name)[1])
    except (InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
        return None


class _Anchors(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.files: list[FileObject] = []
        self._base = url

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        href = given.get("href")
        if tag == "base" and href:
            self._base = urljoin(self._base, href)
        if tag == "a" and href:
            self.files.append(_file_object(urljoin(self._base, href), given))


def _file_object(link: str, given: dict[str, str | None]) -> FileObject:
    url, fragment = urldefrag(link)
    algorithm, _, digest = fragment.partition("=")
    file: FileObject = {"filename": unquote(urlsplit(url).path.rsplit("/", 1)[-1]), "url": url, "hashes": {}}
    if digest:
        file["hashes"] = {algorithm: digest}
    file |= {key: given[name] for name, key in _MIRRORED.items() if given.get(name)}
    if file.get("core-metadata") == "true":
        file["core-metadata"] = True
    elif "=" in str(file.get("core-metadata", "")):
        file["core-metadata"] = dict([file["core-metadata"].split("=", 1)])
    if "data-yanked" in given:
        file["yanked"] = given["data-yanked"] or True
    return file
