"""What the index said of the watched projects when it was asked last: all that `--offline` can go by.

One JSON file in the store. URLs are left out: they may carry a login, and the next run finds them again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.base.artifact import Expected
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.origins.page import Offer, line, time, time_of

_SCHEMA = 1
_FILE = {"name": documents.name, "sha256": str, "time": time, "python": line, "yanked": bool, "reason": str}
_PROJECT = {
    "asked": documents.name,
    "index": documents.sha256,
    "floor": line,
    "pinned": [documents.name],
    "files": [_FILE],
    "own?": [line],
}
_SHAPE = {"schema": int, "projects": {...: _PROJECT}}


@dataclass(frozen=True, kw_only=True)
class KnownPage:
    """What a project's page said.

    Args:
        asked: When (RFC 3339).
        index: Digest of the places that were asked.
        floor: Files of versions above this one were noted.
        pinned: Files that were looked for by name.
        offers: The files that counted.
        own: The indexes of recipes that answered for it, too.
    """

    asked: str
    index: str
    floor: str
    pinned: frozenset[str]
    offers: tuple[Offer, ...]
    own: tuple[str, ...] = ()


def index_digest(urls: Iterable[str]) -> str:
    """Return the digest that stands for the places of pip's configuration."""
    return hashlib.sha256("\n".join(urls).encode()).hexdigest()


def read_known(path: Path) -> dict[str, KnownPage]:
    """Return the pages that are known, by project; none where the file is missing or is something else."""
    try:
        document = documents.read_file(path, _SHAPE)
    except (OSError, documents.UnsoundError):
        return {}
    if document["schema"] != _SCHEMA:
        return {}
    return {name: _page(row) for name, row in document["projects"].items()}


def _page(row: Mapping[str, Any]) -> KnownPage:
    return KnownPage(
        asked=row["asked"],
        index=row["index"],
        floor=row["floor"],
        pinned=frozenset(row["pinned"]),
        offers=tuple(map(_offer, row["files"])),
        own=tuple(row.get("own", ())),
    )


def _offer(row: Mapping[str, Any]) -> Offer:
    return Offer(
        filename=row["name"],
        url="",
        expected=Expected(sha256=row["sha256"] or None),
        upload_time=time_of(row["time"]),
        requires_python=row["python"],
        yanked=row["yanked"],
        yank_reason=row["reason"],
    )


def write_known(path: Path, pages: Mapping[str, KnownPage]) -> None:
    """Write the pages that are known."""
    projects = {name: _row(page) for name, page in sorted(pages.items())}
    rights.make_folder(path.parent.parent, path.parent.name)
    write_whole(path, json.dumps({"schema": _SCHEMA, "projects": projects}), durable=False)


def _row(page: KnownPage) -> dict[str, object]:
    files = [
        {
            "name": one.filename,
            "sha256": one.expected.sha256 or "",
            "time": one.upload_time.isoformat() if one.upload_time else "",
            "python": one.requires_python,
            "yanked": one.yanked,
            "reason": one.yank_reason,
        }
        for one in page.offers
    ]
    return {
        "asked": page.asked,
        "index": page.index,
        "floor": page.floor,
        "pinned": sorted(page.pinned),
        "files": files,
        "own": list(page.own),
    }
