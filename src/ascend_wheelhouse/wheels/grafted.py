"""What a wheel says of the libraries that were grafted into it: a CycloneDX document in its `.dist-info` (PEP 770).

Written by a build whose libraries come from locked packages (`build/grafts.py`), read for a wheelhouse's own bill.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ascend_wheelhouse.node import documents

BILL = "sboms/ascend-wheelhouse.cdx.json"
"""Where the document lies in `.dist-info`."""
_PREFIX = "ascend-wheelhouse:"
_PURL = re.compile(r"pkg:deb/debian/[A-Za-z0-9%.+~-]{1,200}@[A-Za-z0-9%.+:~-]{1,200}\?arch=[a-z0-9]{1,40}")


def package_url(value: object) -> bool:
    """The package URL of a Debian package."""
    return isinstance(value, str) and _PURL.fullmatch(value) is not None


_SHAPE = {
    "components": [
        {
            "name": documents.file_name,
            "version": documents.name,
            "purl": package_url,
            "hashes": [{"content": documents.sha256}],
            "licenses": [{"license": {"name": documents.name}}],
            "properties": [{"name": documents.name, "value": documents.name}],
        }
    ]
}


@dataclass(frozen=True, kw_only=True)
class GraftedLibrary:
    """One grafted library.

    Args:
        path: The member of the wheel.
        sha256: Of that member.
        version: Of the package that it comes from.
        purl: The package, as a package URL.
        licences: What the package says of its licences, in its own words.
        facts: What else is known: the package's file and digest, the digest of the library as it came.
    """

    path: str
    sha256: str
    version: str
    purl: str
    licences: tuple[str, ...]
    facts: Mapping[str, str]


def write_bill(libraries: Iterable[GraftedLibrary]) -> bytes:
    """Return the document; equal bytes for equal libraries."""
    rows = [_row(one) for one in sorted(libraries, key=lambda one: one.path)]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": rows}
    return (json.dumps(document, indent=2) + "\n").encode()


def _row(one: GraftedLibrary) -> dict[str, Any]:
    facts = {"path": one.path, **one.facts}
    return {
        "type": "library",
        "bom-ref": f"{one.purl}#{one.path}",
        "name": PurePosixPath(one.path).name,
        "version": one.version,
        "purl": one.purl,
        "hashes": [{"alg": "SHA-256", "content": one.sha256}],
        "licenses": [{"license": {"name": licence}} for licence in one.licences],
        "properties": [{"name": f"{_PREFIX}{name}", "value": value} for name, value in facts.items()],
    }


def read_bill(data: bytes) -> Iterator[GraftedLibrary]:
    """Yield the libraries of a document.

    Raises:
        UnsoundError: It is none of `write_bill`.
    """
    for row in documents.read(data, _SHAPE)["components"]:
        facts = {fact["name"].removeprefix(_PREFIX): fact["value"] for fact in row["properties"]}
        digests = [one["content"] for one in row["hashes"]]
        if len(digests) != 1 or not documents.path(facts.get("path")):
            raise documents.UnsoundError(f"{row['name']} has no one path and digest")
        yield GraftedLibrary(
            path=facts.pop("path"),
            sha256=digests[0],
            version=row["version"],
            purl=row["purl"],
            licences=tuple(one["license"]["name"] for one in row["licenses"]),
            facts=facts,
        )
