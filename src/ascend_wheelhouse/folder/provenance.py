"""How a wheelhouse came to be, for those who check provenance: an in-toto statement with SLSA v1's predicate.

It names what was asked for (stack, cell, platform), what was decided (digests of recipes and lock), every
file that came from outside with its origin, and the builder; its subjects are the manifest and every file.
What may be claimed is SLSA Build L1: provenance exists, is complete for the inputs that the lock names, and
is signed by the person or service that built; the build service itself is not hardened, so it is not L2. No
time stamps: equal wheelhouses give equal statements. Sources: in-toto Statement v1; slsa.dev/provenance/v1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from packageurl import PackageURL

from ascend_wheelhouse.folder.purl import not_of_the_index, purl_of
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import layout
from ascend_wheelhouse.node.trust import dsse

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:ascend-wheelhouse:build-type:wheelhouse:1"
BUILDER: Final = "urn:ascend-wheelhouse:builder:operator-host"
_INPUTS = {"wheel", "payload", "source"}
_FROM_OUTSIDE = {"index", "extra-index", "url", "archive", "sdist", "git", "find-links", "vendored"}


def statement(manifest: Mapping[str, Any], manifest_bytes: bytes, builder: str = BUILDER) -> bytes:
    """Return the in-toto statement for a manifest, in canonical JSON.

    Args:
        manifest: The manifest.
        manifest_bytes: The same as it stands in the bundle; its digest is the first subject.
        builder: The identity of the builder, as a URI.
    """
    digest = hashlib.sha256(manifest_bytes).hexdigest()
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [
            _resource({"name": layout.MANIFEST}, digest),
            *(_resource({"name": file["path"]}, file["sha256"]) for file in _sorted(manifest)),
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    key: manifest[key] for key in ("stack", "platform", "cell", "complete", "derived")
                },
                "internalParameters": {"tool": manifest["tool"]},
                "resolvedDependencies": _dependencies(manifest),
            },
            "runDetails": {"builder": {"id": builder, "version": {"tool": manifest["tool"]}}},
        },
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def signed_statement(manifest: Mapping[str, Any], manifest_bytes: bytes, signer: Signer) -> bytes:
    """Return the statement in a DSSE envelope, signed with the key that signs the manifest."""
    payload = statement(manifest, manifest_bytes)
    return dsse.envelope(payload, signer.sign_raw(dsse.pae(payload)), signer.public_key)


def _sorted(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(manifest["files"], key=lambda file: str(file["path"]))


def _resource(descriptor: dict[str, Any], sha256: str) -> dict[str, Any]:
    return {**descriptor, "digest": {"sha256": sha256}}


def _dependencies(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    decided = [
        _resource({"name": name}, manifest[f"{name}_digest"])
        for name in ("recipes", "lock")
        if manifest.get(f"{name}_digest")
    ]
    foreign = not_of_the_index(manifest)
    inputs = [
        _resource(
            {"uri": _uri(file, foreign), "name": file["path"], "annotations": _annotations(file)},
            file["sha256"],
        )
        for file in _sorted(manifest)
        if file["kind"] in _INPUTS and file.get("origin") in _FROM_OUTSIDE
    ]
    return [*decided, *inputs]


def _annotations(file: Mapping[str, Any]) -> dict[str, str]:
    """Say where a file is from and, of a wheel that was built, with what, and which packages' libraries are in it."""
    note = {"note": file["note"]} if file.get("note") and file["kind"] == "wheel" else {}
    return {"origin": file["origin"], **note}


def _uri(file: Mapping[str, Any], foreign: frozenset[str]) -> str:
    """Return the package URL without what the resource says already: its name and digest."""
    purl = purl_of(file, foreign)
    return str(PackageURL(purl.type, purl.namespace, purl.name, purl.version))
