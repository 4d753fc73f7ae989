"""A bundle in an OCI image layout: one artifact, one layer a file, the file's path as the layer's title.

Digests of the layout are not believed: the files are checked against the signed manifest like all others.
Source: OCI image-spec 1.1, image-layout.md and manifest.md.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import NoneType
from typing import Any

from .. import documents, layout
from .sources import AFRESH, PartedFile, Region, refuse_extra, tree
from .strict import damaged, read_object

_TITLE = "org.opencontainers.image.title"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LARGEST = 1 << 24
_OWN = {"oci-layout", "index.json", "blobs/", "blobs/sha256/"}
_WRITTEN_ANEW = (
    "where the layout was made, write it anew by the same command with --oci: that removes what the first versions of "
    f"this tool left there of an older bundle; otherwise {AFRESH}"
)
_MANIFEST = {"config": {}, "layers": [{"annotations?": ({...: str}, NoneType)}]}


def image_regions(folder: Path) -> dict[str, Region]:
    """Return the files of the one artifact in an image layout, by their titles.

    Raises:
        IntegrityError: The layout is unfinished, holds another thing, or titles are hostile or not unique.
    """
    present = tree(folder)
    manifests = _read(folder / "index.json", {"manifests": [{}]})["manifests"]
    if len(manifests) != 1:
        raise damaged(f"the image layout {folder.name} does not hold one bundle")
    regions: dict[str, Region] = {}
    document = _read(_blob(folder, manifests[0]), _MANIFEST)
    layers = document["layers"]
    named = {_name(_blob(folder, one)) for one in (manifests[0], document["config"], *layers)}
    refuse_extra(folder, present - named - _OWN, next_step=_WRITTEN_ANEW)
    for layer in layers:
        path = (layer.get("annotations") or {}).get(_TITLE)
        if path is None or path in regions:
            raise damaged(f"a layer of {folder.name} has no title, or one that another has")
        layout.check_path(path)
        file = PartedFile([_blob(folder, layer)])
        regions[path] = Region(file, 0, file.size)
    return regions


def _blob(folder: Path, descriptor: object) -> Path:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    match = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    path = folder / "blobs" / "sha256" / (match[1] if match else "")
    if match is None or path.is_symlink() or not path.is_file():
        raise damaged(f"{folder.name} lacks the blob {digest}")
    return path


def _name(blob: Path) -> str:
    return f"blobs/sha256/{blob.name}"


def _read(path: Path, shape: object) -> dict[str, Any]:
    if not path.is_file() or path.stat().st_size > _LARGEST:
        raise damaged(f"{path.name} of the image layout is missing or too large: it was not finished")
    document = read_object(documents.bytes_of(path), path.name)
    if fault := documents.fault(document, shape):
        raise damaged(f"{path.name} of the image layout: {fault}")
    return document
