"""Makes `simple/`: one package index over `wheels/`, as PEP 503 pages and PEP 691 documents side by side.

Links are relative, so the same folder works as `file://`, behind any static server, and after a move. Names
follow PEP 503's normal form; rows are sorted, and nothing of the clock or the host goes in: equal files give
equal bytes.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote

from packaging.utils import canonicalize_name
from packaging.version import Version

from ascend_wheelhouse.base.artifact import Artifact, HasArtifact

_API_VERSION = "1.1"
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="{version}">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
{anchors}
</body>
</html>
"""


@dataclass(frozen=True, kw_only=True)
class IndexedFile(HasArtifact):
    """One file of `wheels/`; `requires_python` empty for any Python."""

    name: str
    version: str
    artifact: Artifact
    requires_python: str = ""

    @property
    def project(self) -> str:
        """The name in PEP 503's normal form, which is also its folder."""
        return canonicalize_name(self.name)

    @property
    def link(self) -> str:
        """Where the file is, seen from its project's page."""
        return f"../../wheels/{quote(self.filename)}"


def simple_index(files: Iterable[IndexedFile]) -> dict[str, bytes]:
    """Return the files of `simple/` by their paths in the wheelhouse, sorted.

    Args:
        files: Every wheel of it, in any order.
    """
    ordered = sorted(files, key=lambda file: (file.project, file.filename))
    projects = {name: list(rows) for name, rows in groupby(ordered, key=lambda file: file.project)}
    names = list(projects)
    pages = _both("simple", _project_list_page(names), _project_list_document(names))
    for name, rows in projects.items():
        pages |= _both(f"simple/{name}", _page(name, rows), _document(name, rows))
    return dict(sorted(pages.items()))


def _both(folder: str, page: str, document: dict[str, object]) -> dict[str, bytes]:
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    return {f"{folder}/index.html": page.encode(), f"{folder}/index.json": f"{text}\n".encode()}


def _project_list_page(names: Sequence[str]) -> str:
    anchors = "\n".join(f'<a href="{name}/">{name}</a><br>' for name in names)
    return _PAGE.format(version=_API_VERSION, title="Wheelhouse", anchors=anchors)


def _project_list_document(names: Sequence[str]) -> dict[str, object]:
    return {"meta": {"api-version": _API_VERSION}, "projects": [{"name": name} for name in names]}


def _page(name: str, files: Sequence[IndexedFile]) -> str:
    anchors = "\n".join(_anchor(file) for file in files)
    return _PAGE.format(version=_API_VERSION, title=html.escape(name), anchors=anchors)


def _anchor(file: IndexedFile) -> str:
    href = html.escape(f"{file.link}#sha256={file.sha256}")
    python = f' data-requires-python="{html.escape(file.requires_python)}"' if file.requires_python else ""
    return f'<a href="{href}"{python}>{html.escape(file.filename)}</a><br>'


def _document(name: str, files: Sequence[IndexedFile]) -> dict[str, object]:
    versions = sorted({file.version for file in files}, key=Version)
    return {
        "meta": {"api-version": _API_VERSION},
        "name": name,
        "versions": versions,
        "files": [_file_row(file) for file in files],
    }


def _file_row(file: IndexedFile) -> dict[str, object]:
    row: dict[str, object] = {
        "filename": file.filename,
        "url": file.link,
        "hashes": {"sha256": file.sha256},
        "size": file.size,
    }
    return row | ({"requires-python": file.requires_python} if file.requires_python else {})
