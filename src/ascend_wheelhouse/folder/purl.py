"""Package URLs of a wheelhouse's files: what scanners look vulnerabilities up by.

`pkg:pypi` says "the project of that name on the package index". A component that the index does not supply, whose
name there is free or another project's (deep-ep), is `pkg:generic`. A file that is not the index's own, though the
project is, as what was built or imported, has its digest as the qualifier `checksum` (purl-spec, known qualifiers).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from packageurl import PackageURL
from packaging.utils import canonicalize_name


def not_of_the_index(manifest: Mapping[str, Any]) -> frozenset[str]:
    """Return the components of a manifest that no package index supplies; none of one that was made before it told."""
    rows = manifest.get("components") or ()
    return frozenset(str(row["name"]) for row in rows if row.get("indexed") is False)


def purl_of(file: Mapping[str, Any], foreign: frozenset[str]) -> PackageURL:
    """Return the package URL of a file.

    Args:
        file: Its entry in the manifest.
        foreign: The components that no index supplies.
    """
    name, version = file.get("name") or file["path"], file.get("version") or None
    own = {"file_name": PurePosixPath(file["path"]).name}
    told = own | {"checksum": f"sha256:{file['sha256']}"}
    if not file["path"].endswith(".whl"):
        return PackageURL("generic", None, name, version, told)
    project = canonicalize_name(name)
    if file.get("component") in foreign and project == canonicalize_name(file["component"]):
        return PackageURL("generic", None, project, version, told)
    return PackageURL("pypi", None, project, version, own if file.get("origin") == "index" else told)
