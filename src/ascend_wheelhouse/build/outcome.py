"""What a build gives: a wheel with its history, or the reason why it cannot be built here yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_wheelhouse.base.artifact import Artifact, HasArtifact, as_row
from ascend_wheelhouse.node import documents

RECORD = {
    "wheels": [
        {
            "component": documents.name,
            "filename": documents.file_name,
            "sha256": documents.sha256,
            "size": documents.size,
            "key": str,
            "toolchain": {...: str},
            "sandbox": str,
            "note": str,
        }
    ]
}
"""What the store keeps of a build."""
INCREMENTAL = "0incremental"
"""The build tag of a wheel that an incremental build gave: it stands in its name and in its WHEEL."""
INCREMENTAL_NOTE = "incremental: built on in a kept tree, no clean build"


@dataclass(frozen=True, kw_only=True)
class BuiltWheel(HasArtifact):
    """A wheel in the store.

    Args:
        component: The recipe's name.
        artifact: The file, its name with the repaired tag and the cell's local version.
        key: The key of its build.
        toolchain: What each tool identified itself as.
        sandbox: `bubblewrap`, `namespaces`, `container:<image>`, or `none` for an unsealed build.
        note: What a reader of the manifest should know, such as why a `linux_<arch>` tag stays.
        cached: Whether nothing had to be built.
    """

    component: str
    artifact: Artifact
    key: str
    toolchain: Mapping[str, str] = field(default_factory=dict)
    sandbox: str = ""
    note: str = ""
    cached: bool = False

    @property
    def incremental(self) -> bool:
        """Whether an incremental build gave it."""
        return is_incremental(self.filename)

    def as_record(self) -> dict[str, Any]:
        """Return what the store keeps under the key."""
        record = as_row(self)
        del record["cached"]
        return record


def is_incremental(filename: str) -> bool:
    """Tell whether a wheel's name says that an incremental build gave it."""
    return filename.split("-")[2:3] == [INCREMENTAL]


@dataclass(frozen=True, kw_only=True)
class PendingBuild:
    """A component that this host cannot build: why, and what would supply it."""

    component: str
    reason: str
    supply: str
