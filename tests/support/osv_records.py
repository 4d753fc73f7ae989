"""Records of OSV's format for tests, and the zips that hold them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def osv_record(
    identifier: str,
    project: str,
    *events: Mapping[str, str],
    versions: Sequence[str] = (),
    kind: str = "ECOSYSTEM",
    **more: Any,  # noqa: ANN401 - any key of the schema
) -> dict[str, Any]:
    """Return a record of one project with one range of these events."""
    affected: dict[str, Any] = {"package": {"ecosystem": "PyPI", "name": project}}
    if events:
        affected["ranges"] = [{"type": kind, "events": list(events)}]
    if versions:
        affected["versions"] = list(versions)
    return {
        "schema_version": "1.7.0",
        "id": identifier,
        "modified": "2026-11-20T10:00:00Z",
        "published": "2026-11-01T10:00:00Z",
        "summary": f"{project} does what it should not",
        "affected": [affected],
        **more,
    }


def osv_zip(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """Write records as OSV exports an ecosystem: one zip, one file a record."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in records:
            archive.writestr(f"{one['id']}.json", json.dumps(one))
    return path
