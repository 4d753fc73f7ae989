"""What a wheelhouse's bill of materials says of each file: licence, summary, home, grafted libraries, needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.node import documents

NAME = "sbom.cdx.json"
_LINKS = ("website", "vcs", "documentation")
_PATH = "ascend-wheelhouse:path"
_SHAPE = {
    "components?": [
        {
            "name": str,
            "bom-ref?": str,
            "description?": str,
            "licenses?": [{"license?": {"id?": str, "name?": str}, "expression?": str}],
            "externalReferences?": [{"type": str, "url": str}],
            "components?": [{"name": str}],
            "properties?": [{"name": str, "value": str}],
        }
    ],
    "dependencies?": [{"ref": str, "dependsOn?": [str]}],
}


class UnreadablePartError(UsageError):
    """A file of a wheelhouse that its page is made from is not what this tool wrote."""

    def __init__(self, path: Path, fault: object) -> None:
        super().__init__(
            f"{path.name} of {path.parent.name} cannot be read: {fault}.",
            why="It was changed after the wheelhouse was made, or written by another tool.",
            next_step="`invoke wheelhouse --check {cell}` says what was changed, and lays it out again; for a folder "
            "that is not below `wheelhouse/`, add --output with the folder that it is in",
        )


@dataclass(frozen=True, kw_only=True)
class BillRow:
    """What the bill says of one file; empty where it says nothing."""

    licence: str = ""
    summary: str = ""
    link: str = ""
    grafted: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def read_bill(folder: Path) -> Mapping[str, BillRow]:
    """Return the bill's rows by the path of the file in the wheelhouse; none where it has no bill.

    Raises:
        UnreadablePartError: It is none.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    try:
        document = documents.read_file(path, _SHAPE)
    except documents.UnsoundError as error:
        raise UnreadablePartError(path, error) from error
    return dict(_rows(document))


def _rows(document: Mapping[str, Any]) -> Iterable[tuple[str, BillRow]]:
    found = document.get("components", [])
    names = {one.get("bom-ref", ""): one["name"] for one in found}
    needs = {row["ref"]: row.get("dependsOn", []) for row in document.get("dependencies", [])}
    for one in found:
        path = next((row["value"] for row in one.get("properties", []) if row["name"] == _PATH), "")
        wanted = {names[ref] for ref in needs.get(one.get("bom-ref", ""), []) if ref in names}
        yield (
            path,
            BillRow(
                licence=", ".join(filter(None, map(_licence, one.get("licenses", [])))),
                summary=" ".join(one.get("description", "").split()),
                link=_link(one.get("externalReferences", [])),
                grafted=tuple(inner["name"] for inner in one.get("components", [])),
                needs=tuple(sorted(wanted)),
            ),
        )


def _licence(row: Mapping[str, Any]) -> str:
    stated = row.get("license", {})
    text = row.get("expression") or stated.get("id") or stated.get("name") or ""
    return " ".join(str(text).split())


def _link(references: Iterable[Mapping[str, str]]) -> str:
    by_kind = {row["type"]: row["url"] for row in reversed(list(references))}
    return next((by_kind[kind] for kind in _LINKS if kind in by_kind), "")
