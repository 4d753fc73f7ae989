"""The same bundle as an OCI image layout: one layer a file, for registries, ORAS, Zarf and Hauler.

Every layer is a file as it is, with its path as title, so `oras pull` gives back the folder that `install.py`
and `bundle_reader` read, and a registry keeps a wheel once for all bundles that hold it. Source: OCI
image-spec 1.1, "Guidelines for artifact usage". A layout grows in the hidden folder `.<name>.partial` beside its
place, and one swap puts it there: the earlier one stands until then.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ascend_wheelhouse.base import medium, occupied
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobProgress, JobStarted
from ascend_wheelhouse.bundle.tar import Buffers, BundleMember, WheelhouseChangedError, chunks, new_buffers
from ascend_wheelhouse.folder import assemble

ARTIFACT_TYPE: Final = "application/vnd.ascend-wheelhouse.bundle.v1"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_OWN = {"blobs", "index.json", "oci-layout"}
_TITLE = "org.opencontainers.image.title"
_REFERENCE = "org.opencontainers.image.ref.name"
_TYPES = {".whl": "application/zip", ".json": "application/json", ".html": "text/html"}


class LayoutExistsError(UsageError):
    """An image layout would take the place of other things."""


def write_bundle_layout(
    members: Iterable[BundleMember], out: Path, reference: str, annotations: dict[str, str], emit: Emit
) -> None:
    """Write members as an artifact in an image layout, in place of an earlier one; its sound blobs are kept.

    The caller holds `occupied.writing(out)`.

    Args:
        members: The files of the bundle, in its order.
        out: The layout's folder.
        reference: The name that the artifact has in the layout.
        annotations: What the artifact says of itself.
        emit: Where progress goes.

    Raises:
        LayoutExistsError: There are other things at `out`.
        WheelhouseChangedError: A file does not have the size or digest that its member states.
    """
    listed = list(members)
    claim(out)
    part = _begun(out)
    emit(JobStarted(job="bundle", action="pack", total=sum(member.size for member in listed)))
    done, buffers = 0, new_buffers()
    for member in listed:
        _write_blob(part, member, buffers, earlier=out)
        done += member.size
        emit(JobProgress(job="bundle", done=done, line=member.path))
    _describe(part, listed, reference, annotations)
    emit(JobProgress(job="bundle", done=done, line="waiting for the medium"))
    medium.flush_tree(part)
    occupied.swap(part, out)
    medium.flush_names(out.parent)
    assemble.remove(part)
    emit(JobFinished(job="bundle", outcome="done"))


def claim(out: Path) -> None:
    """Refuse to put a layout in place of anything but an earlier one or an empty folder.

    Raises:
        LayoutExistsError: There are other things at `out`.
    """
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - _OWN):
        raise LayoutExistsError(
            f"{out} holds other things than an image layout.",
            why="The layout takes the place of all that is there.",
            next_step="name a new folder with --out",
        )


def _begun(out: Path) -> Path:
    """Return the hidden folder that a layout grows in, with no more than the blobs that a killed run left."""
    occupied.recover(out)
    assemble.remove(occupied.aside(out))
    part = out.with_name(f".{out.name}.partial")
    (part / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    for path in part.iterdir():
        if path.name != "blobs":
            path.unlink()
    return part


def _describe(
    out: Path, listed: Sequence[BundleMember], reference: str, annotations: Mapping[str, str]
) -> None:
    """Write the artifact's manifest and what names it."""
    config = {**put_json(out, {}), "mediaType": _EMPTY_TYPE}
    layers = [_layer(member) for member in listed]
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": config,
        "layers": layers,
        "annotations": dict(sorted(annotations.items())),
    }
    named = put_json(out, document)
    _drop_others(out, {str(one["digest"]) for one in (named, config, *layers)})
    write_index(out, {**named, "artifactType": ARTIFACT_TYPE}, reference)


def _drop_others(out: Path, named: set[str]) -> None:
    """Remove blobs that an earlier or killed run left: a reader refuses what nothing names."""
    for path in (out / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in named:
            path.unlink()


def write_index(out: Path, descriptor: dict[str, Any], reference: str) -> None:
    """Name one manifest as what the layout holds."""
    entry = {"mediaType": MANIFEST_TYPE, **descriptor, "annotations": {_REFERENCE: reference}}
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}
    (out / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
    (out / "index.json").write_bytes(canonical(index))


def put_json(out: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Store a document as a blob and return its digest and size."""
    data = canonical(document)
    digest = hashlib.sha256(data).hexdigest()
    blob_path(out, digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def canonical(document: dict[str, Any]) -> bytes:
    """Return a document as JSON, equal bytes for equal documents."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def blob_path(out: Path, digest: str) -> Path:
    """Return where a blob lies."""
    return out / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _layer(member: BundleMember) -> dict[str, Any]:
    return {
        "mediaType": _TYPES.get(Path(member.path).suffix, "application/octet-stream"),
        "digest": f"sha256:{member.sha256}",
        "size": member.size,
        "annotations": {_TITLE: member.path},
    }


def _is_sound(blob: Path, member: BundleMember) -> bool:
    return blob.is_file() and blob.stat().st_size == member.size and _digest(blob) == member.sha256


def _write_blob(out: Path, member: BundleMember, buffers: Buffers, *, earlier: Path) -> None:
    target, old = blob_path(out, member.sha256), blob_path(earlier, member.sha256)
    if _is_sound(target, member):
        return
    if _is_sound(old, member):
        target.unlink(missing_ok=True)
        with suppress(OSError):  # a file system without hard links
            target.hardlink_to(old)
            return
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    digest = hashlib.sha256()
    try:
        with partial.open("wb", buffering=0) as stream:
            for chunk in chunks(member, buffers):
                digest.update(chunk)
                stream.write(chunk)
        if digest.hexdigest() != member.sha256:
            raise WheelhouseChangedError(member.path)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
