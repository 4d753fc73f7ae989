"""Checks a built site as a reader without a network has it: `python docs/site/check.py build/site`.

Every link leads to a page, an anchor or a file that is there, and no page needs anything from elsewhere: no style,
script, font or picture. Links that a reader may follow to other sites are allowed, and are not asked.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_FETCHED = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "object": ("data",),
    "embed": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "track": ("src",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
_OF_A_LINK = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
    "manifest",
}
_STYLE = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")


class Page(HTMLParser):
    """One page: its anchors, where it leads, and what a browser fetches for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self._style = tag == "style"
        self.fetched += [given[name] for name in _FETCHED.get(tag, ()) if given.get(name)]
        self.fetched += in_style(given.get("style", ""))
        if tag == "link" and _OF_A_LINK & set(given.get("rel", "").split()):
            self.fetched.append(given.get("href", ""))
        elif tag == "a" and given.get("href"):
            self.links.append(given["href"])

    def handle_data(self, data: str) -> None:
        """Note what the styles of the page name."""
        if self._style:
            self.fetched += in_style(data)


class Fault(NamedTuple):
    """What is wrong in one file of the site."""

    file: str
    text: str


def in_style(text: str) -> list[str]:
    """Return the addresses that a style sheet fetches."""
    return [found[1] or found[2] for found in _STYLE.finditer(text)]


def faults(site: Path) -> list[Fault]:
    """Return every link without a target, and everything that a browser would fetch from elsewhere."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    found = [Fault("", "no page at all")] if not pages else []
    for path, page in pages.items():
        name = str(path.relative_to(site.resolve()))
        found += [Fault(name, f"fetches {url}") for url in _from_elsewhere(page.fetched)]
        lacking = (url for url in page.fetched if _local(url) and not _target(path, url).is_file())
        found += [Fault(name, f"lacks {url}") for url in lacking]
        found += [Fault(name, f"leads nowhere: {url}") for url in page.links if not _leads(path, url, pages)]
    for sheet in sorted(site.rglob("*.css")):
        urls = _from_elsewhere(in_style(sheet.read_text("utf-8")))
        found += [Fault(str(sheet.relative_to(site)), f"fetches {url}") for url in urls]
    return found


def _from_elsewhere(urls: list[str]) -> Iterator[str]:
    yield from (url for url in urls if not _local(url) and urlsplit(url).scheme != "data")


def _local(url: str) -> bool:
    parts = urlsplit(url)
    return not parts.scheme and not parts.netloc


def _target(page: Path, url: str) -> Path:
    place = unquote(urlsplit(url).path)
    return (page.parent / place).resolve() if place else page


def _leads(page: Path, url: str, pages: dict[Path, Page]) -> bool:
    if not _local(url):
        return True
    target, anchor = _target(page, url), unquote(urlsplit(url).fragment)
    if not anchor or target not in pages:
        return target.is_file() and not (anchor and target.suffix == ".html")
    return anchor in pages[target].anchors or anchor == "top"


def main() -> int:
    """Print every fault of the site that the command line names."""
    site = Path(sys.argv[1])
    found = faults(site)
    print(*(f"{fault.file}: {fault.text}" for fault in found), sep="\n", end="\n" if found else "")
    pages = len(list(site.rglob("*.html")))
    print(f"{pages} pages, {len(found)} faults", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
