"""Folders with what a page is made from: a manifest, a bill of materials, an audit's report; any text in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CELL = {
    "cann": "8.3.RC2",
    "npu": "a3",
    "machine": "aarch64",
    "python": "3.11",
    "glibc": "2.28",
    "alpha": "1.0",
}


@dataclass(kw_only=True)
class Shown:
    """What the wheelhouse holds: `alpha`, a component, needs `beta`; `nnal` is pending."""

    stack: str = "small"
    summary: str = "The first letter"
    licence: str = "Apache-2.0"
    link: str = "https://alpha.example/"
    note: str = "a note"
    versions: dict[str, str] = field(default_factory=lambda: {"alpha": "1.0", "beta": "2.0"})
    cell: dict[str, str] = field(default_factory=lambda: dict(CELL))
    reason: str = "url: its server did not answer"
    supply: str = "download nnal.run, then `invoke vendor FILE`"
    urls: Sequence[str] = ("https://nnal.example/nnal.run",)
    finding: str = "the tags are not those of the file name"
    audited: bool = True
    pending: bool = True

    def write(self, folder: Path) -> Path:
        """Write the wheelhouse and return its folder."""
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps(self._manifest()))
        (folder / "sbom.cdx.json").write_text(json.dumps(self._bill()))
        if self.audited:
            (folder / "audit.json").write_text(json.dumps(self._audit()))
        return folder

    def _manifest(self) -> dict[str, Any]:
        pending = {"component": "nnal", "reason": self.reason, "supply": self.supply, "urls": list(self.urls)}
        needs = [
            {"name": "alpha", "kind": "wheel", "summary": self.summary, "licence": "MIT", "needs": ["nnal"]},
            {"name": "nnal", "kind": "payload", "summary": self.summary, "licence": "Huawei", "needs": []},
        ]
        return {
            "schema": 1,
            "tool": "ascend-wheelhouse 0.1.0",
            "stack": self.stack,
            "platform": "aarch64",
            "complete": not self.pending,
            "derived": False,
            "cell": self.cell,
            "recipes_digest": "1" * 64,
            "lock_digest": "2" * 64,
            "notes": [self.note],
            "pending": [pending] if self.pending else [],
            "components": needs,
            "files": [self._file(name) for name in sorted(self.versions)],
            "post_install": [],
            "serving": {"command": ["python", "-m", "alpha"], "environment": {"NAME": self.note}},
        }

    def _file(self, name: str) -> dict[str, Any]:
        version = self.versions[name]
        return {
            "path": _path(name, version),
            "size": 1_500_000,
            "sha256": hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
            "kind": "wheel",
            "name": name,
            "version": version,
            "component": name if name == "alpha" else "",
            "origin": "sdist" if name == "alpha" else "index",
            "note": self.note,
        }

    def _bill(self) -> dict[str, Any]:
        rows = [
            {
                "name": name,
                "bom-ref": name,
                "description": self.summary,
                "licenses": [{"license": {"name": self.licence}}],
                "externalReferences": [{"type": "website", "url": self.link}],
                "properties": [{"name": "ascend-wheelhouse:path", "value": _path(name, version)}],
            }
            for name, version in self.versions.items()
        ]
        return {
            "components": rows,
            "dependencies": [{"ref": "alpha", "dependsOn": ["beta"]}, {"ref": "beta"}],
        }

    def _audit(self) -> dict[str, Any]:
        finding = {
            "check": "metadata",
            "rule": "wheel-tags",
            "severity": "warning",
            "wheel": _path("beta", "2.0").removeprefix("wheels/"),
            "member": "beta.dist-info/WHEEL",
            "message": self.finding,
            "evidence": self.finding,
            "repair": self.supply,
        }
        checks = {"metadata": {"warning": 1, "note": 1}, "hygiene": {}}
        return {
            "schema": 1,
            "clean": True,
            "wheels": [],
            "checks": checks,
            "findings": [finding, finding | {"severity": "note", "message": "a remark"}],
        }


def _path(name: str, version: str) -> str:
    return f"wheels/{name}-{version}-py3-none-any.whl"
