"""Project pages of a package index in one shape: PEP 691's file objects, from its JSON or PEP 503's HTML.

`data-upload-time` in HTML is what several mirrors send in place of the JSON's `upload-time`; pip does not
read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from html import unescape
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import (
    parse_sdist_filename,
    parse_wheel_filename,
)

from ascend_wheelhouse.origins.page import json_files, reading, require_file, require_simple, time_of

ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
FileObject = dict[str, Any]

_INSIDE = r"""((?:[^>"']|"[^"]*"|'[^']*')*)>"""
_ANCHOR = re.compile(rf"<a\s+{_INSIDE}", re.IGNORECASE)
_BASE = re.compile(rf"<base\s+{_INSIDE}", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_DIGEST = re.compile(r"(?:^|&)(md5|sha\d+)=([^&]+)")
_MIRRORED = {
    "data-requires-python": "requires-python",
    "data-upload-time": "upload-time",
    "data-core-metadata": "core-metadata",
}


def read_files(
    content: bytes, content_type: str, url: str, *, endings: tuple[str, ...] = ("",)
) -> list[FileObject]:
    """Return the files that a project page lists, with absolute URLs.

    Args:
        content: The page.
        content_type: Its media type; JSON of PEP 691, or else HTML.
        url: Where it was found, for relative links.
        endings: Leave out files whose names have none of these endings; a page may list ten thousand.

    Raises:
        NotAnIndexError: It is no such page.
    """
    with reading(url):
        if "json" in content_type:
            files = (file for file in json_files(content, url) if file["filename"].endswith(endings))
            sound = (require_file(file, url) for file in files)
            return [{**file, "url": _absolute(url, file["url"])} for file in sound]
        text = content.decode("utf-8", errors="replace")
        found = [file for file in _anchored(text, url, endings) if file["filename"].endswith(endings)]
        if not any(version_of(file) for file in found):
            require_simple(content, url)
        return [require_file(file, url) for file in found]


def uploaded(file: FileObject) -> datetime | None:
    """Return when the file was uploaded, None where the index does not tell."""
    return time_of(file.get("upload-time"))


def version_of(file: FileObject) -> str | None:
    """Return the version in the file's name, None for what is neither wheel nor sdist."""
    name: str = file["filename"]
    try:
        return str(parse_wheel_filename(name)[1] if name.endswith(".whl") else parse_sdist_filename(name)[1])
    except ValueError:
        return None


def _absolute(base: str, link: str) -> str:
    return link if link.startswith(("https://", "http://")) else urljoin(base, link)


def _anchored(text: str, url: str, endings: tuple[str, ...]) -> Iterator[FileObject]:
    """Yield the file of each anchor; a parser of whole documents takes seconds for the longest pages."""
    base = next((urljoin(url, place) for place in _hrefs(_BASE.findall(text))), url)
    for attributes in _ANCHOR.findall(text):
        if any(ending in attributes for ending in endings):
            given = dict(_attributes(attributes))
            if given.get("href"):
                yield _file_object(_absolute(base, given["href"]), given)


def _hrefs(tags: list[str]) -> Iterator[str]:
    for tag in tags:
        yield from (value for name, value in _attributes(tag) if name == "href")


def _attributes(tag: str) -> Iterator[tuple[str, str]]:
    for name, *values in _ATTRIBUTE.findall(tag):
        yield name.lower(), unescape("".join(values))


def _file_object(link: str, given: dict[str, str]) -> FileObject:
    url, fragment = urldefrag(link)
    file: FileObject = {"filename": unquote(urlsplit(url).path.rsplit("/", 1)[-1]), "url": url}
    file["hashes"] = dict(_DIGEST.findall(fragment))
    file |= {key: given[name] for name, key in _MIRRORED.items() if given.get(name)}
    if file.get("core-metadata") == "true":
        file["core-metadata"] = True
    elif "=" in str(file.get("core-metadata", "")):
        file["core-metadata"] = dict([file["core-metadata"].split("=", 1)])
    if "data-yanked" in given:
        file["yanked"] = given["data-yanked"] or True
    return file
