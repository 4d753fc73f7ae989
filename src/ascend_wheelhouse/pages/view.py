"""What there is to show of a wheelhouse: read from its own files alone, so that any host shows the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ascend_wheelhouse.folder import manifest as manifests
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.pages import audit_file
from ascend_wheelhouse.pages.bill import BillRow, UnreadablePartError, read_bill

_COMPONENTS = {
    "complete": bool,
    "derived": bool,
    "tool": str,
    "notes?": [str],
    "recipes_digest?": str,
    "lock_digest?": str,
    "components?": [{"name": str, "kind": str, "summary": str, "licence": str, "needs": [str]}],
}
_LABELS = {"machine": "architecture", "npu": "chip", "cann": "CANN", "python": "Python", "glibc": "glibc"}
_ORIGINS = {
    "index": "package index",
    "extra-index": "other index",
    "url": "recipe's address",
    "archive": "release archive",
    "sdist": "built from sdist",
    "git": "built from git",
    "vendored": "imported file",
    "find-links": "folder of files",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file that is installed: a wheel, a package of CANN, or a tool of the installer.

    Args:
        name: Its project's name, or the component's where it is no wheel.
        component: The recipe that it is of; empty for the others.
        origin: Where it came from, in words.
        size: Bytes.
        needs: Names of the wheels here that it requires.
        needed_by: Names of the wheels here that require it.
        grafted: Shared libraries that were put into it.
    """

    name: str
    version: str
    component: str
    kind: str
    origin: str
    size: int
    sha256: str
    file: str
    note: str = ""
    licence: str = ""
    summary: str = ""
    link: str = ""
    needs: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()
    grafted: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A component that no origin gave, why, and what supplies it."""

    name: str
    version: str
    reason: str
    supply: str
    urls: tuple[str, ...] = ()
    licence: str = ""
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class WheelhouseView:
    """A wheelhouse as a page or a terminal shows it.

    Args:
        named: Files of components, in the stack's order.
        others: All other wheels, by name.
        needs: Components that each component needs, by the recipes.
        sources: How many files of sources are carried, and their bytes.
        audit: What the audit found, as it stands in `audit.json`; None where none was run.
        digests: What decided the content, by name.
    """

    stack: str
    platform: str
    complete: bool
    derived: bool
    tool: str
    cell: Mapping[str, str]
    named: Sequence[Part]
    others: Sequence[Part]
    pending: Sequence[Missing] = ()
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sources: tuple[int, int] = (0, 0)
    audit: Mapping[str, Any] | None = None
    notes: Sequence[str] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    post_install: Sequence[Mapping[str, str]] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name of the wheelhouse's folder."""
        return f"{self.stack}-{self.platform}"

    @property
    def parts(self) -> list[Part]:
        """Every file that is installed."""
        return [*self.named, *self.others]

    @property
    def wheels(self) -> list[Part]:
        """Every wheel of the environment."""
        return [part for part in self.parts if part.kind == "wheel"]

    @property
    def facts(self) -> dict[str, str]:
        """The cell without the versions of components, which stand in their rows."""
        components = {name.replace("-", "_") for name in self.needs}
        return {
            _LABELS.get(key, key.replace("_", "-")): value
            for key, value in sorted(self.cell.items(), key=lambda pair: (pair[0] not in _LABELS, pair[0]))
            if key in _LABELS or key not in components
        }

    @property
    def origins(self) -> dict[str, tuple[int, int]]:
        """How many wheels came from each origin, and their bytes; most first."""
        counts = Counter(part.origin for part in self.wheels)
        return {
            origin: (count, sum(part.size for part in self.wheels if part.origin == origin))
            for origin, count in counts.most_common()
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return asdict(self) | {"title": self.title}


def read_view(folder: Path) -> WheelhouseView:
    """Read what there is to show of a wheelhouse.

    Raises:
        NotAWheelhouseError: It has no readable manifest.
        UnreadablePartError: Another file that says something of it is not what this tool wrote.
    """
    document = manifests.read(folder)
    if fault := documents.fault(document, _COMPONENTS):
        raise UnreadablePartError(folder / manifests.NAME, fault)
    parts = _parts(document, read_bill(folder))
    stated = {one["name"]: one for one in document.get("components", [])}
    order = {name: place for place, name in enumerate(stated)}
    named = sorted(
        (one for one in parts if one.component), key=lambda one: order.get(one.component, len(order))
    )
    carried = [file["size"] for file in document["files"] if file["kind"] == "source"]
    return WheelhouseView(
        stack=document["stack"],
        platform=document["platform"],
        complete=document["complete"],
        derived=document["derived"],
        tool=document["tool"],
        cell=document["cell"],
        named=[_stated(one, stated) for one in named],
        others=[one for one in parts if not one.component],
        pending=[_missing(row, document["cell"], stated) for row in document.get("pending", ())],
        needs={name: tuple(one["needs"]) for name, one in stated.items()},
        sources=(len(carried), sum(carried)),
        audit=audit_file.read(folder),
        notes=document.get("notes", ()),
        digests=_digests(document),
        post_install=document.get("post_install", ()),
        command=document.get("serving", {}).get("command", ()),
        environment=document.get("serving", {}).get("environment", {}),
    )


def _parts(document: Mapping[str, Any], bill: Mapping[str, BillRow]) -> list[Part]:
    files = [file for file in document["files"] if file["kind"] in {"wheel", "payload"}]
    found = [_part(file, bill.get(file["path"], BillRow())) for file in files]
    needed_by: defaultdict[str, list[str]] = defaultdict(list)
    for part in found:
        for name in part.needs:
            needed_by[name].append(part.name)
    return [
        replace(part, needed_by=tuple(sorted(needed_by[part.name])) if part.kind == "wheel" else ())
        for part in sorted(found, key=lambda part: (part.name, part.file))
    ]


def _part(file: Mapping[str, Any], row: BillRow) -> Part:
    payload = file["kind"] == "payload"
    name = str(file.get("name") or Path(file["path"]).name)
    return Part(
        name=name if payload else canonicalize_name(name),
        version=file.get("version") or "",
        component=file.get("component") or "",
        kind="tool" if file["path"].startswith("tools/") else file["kind"],
        origin=_ORIGINS.get(file.get("origin") or "", file.get("origin") or ""),
        size=file["size"],
        sha256=file["sha256"],
        file=file["path"],
        note="" if payload else file.get("note") or "",
        licence=row.licence,
        summary=row.summary,
        link=row.link,
        needs=row.needs,
        grafted=row.grafted,
    )


def _stated(part: Part, stated: Mapping[str, Mapping[str, Any]]) -> Part:
    """Fill in what the recipe says where the wheel itself says nothing."""
    recipe = stated.get(part.component, {})
    return replace(
        part,
        licence=part.licence or recipe.get("licence", ""),
        summary=recipe.get("summary", "") or part.summary,
    )


def _missing(
    row: Mapping[str, Any], cell: Mapping[str, str], stated: Mapping[str, Mapping[str, Any]]
) -> Missing:
    name = row["component"]
    return Missing(
        name=name,
        version=cell.get(name.replace("-", "_"), ""),
        reason=row["reason"],
        supply=row["supply"],
        urls=tuple(row.get("urls", ())),
        licence=stated.get(name, {}).get("licence", ""),
        summary=stated.get(name, {}).get("summary", ""),
    )


def _digests(document: Mapping[str, Any]) -> dict[str, str]:
    by_kind = {file["kind"]: file["sha256"] for file in document["files"] if "/" not in file["path"]}
    found = {
        "lock": document.get("lock_digest", ""),
        "recipes and stacks": document.get("recipes_digest", ""),
        "install.py": by_kind.get("installer", ""),
        "bill of materials": by_kind.get("sbom", ""),
    }
    return {name: digest for name, digest in found.items() if digest}
