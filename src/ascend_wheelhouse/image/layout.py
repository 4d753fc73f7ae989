"""Reading an OCI image layout: which of its images is for a machine, with manifest and configuration."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Final

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.bundle.oci import blob_path
from ascend_wheelhouse.node import documents

ARCHITECTURES: Final = {"aarch64": "arm64", "x86_64": "amd64"}
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_DEEPEST = 4


def digest(value: object) -> bool:
    """A digest as descriptors write it."""
    return isinstance(value, str) and value.startswith("sha256:") and documents.sha256(value[7:])


_BLOB = {"digest": digest, "mediaType?": str}
_INDEX = {"manifests": [_BLOB]}
_MANIFEST = {"mediaType?": str, "config": {"digest": digest, "mediaType": str}, "layers": [_BLOB]}
_CONFIG = {
    "architecture": str,
    "os?": str,
    "rootfs": {"diff_ids": [str]},
    "config?": ({"Labels?": (NoneType, {...: str})}, NoneType),
    "history?": ([{}], NoneType),
}


class NoImageError(UsageError):
    """The layout holds no image for the architecture, or is none."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image of a layout."""

    manifest: dict[str, Any]
    media_type: str
    config: dict[str, Any]

    @property
    def platform(self) -> dict[str, str]:
        """Its platform, as an index states it."""
        return {"architecture": str(self.config["architecture"]), "os": str(self.config.get("os", "linux"))}


def find_image(layout: Path, machine: str) -> Image:
    """Return the image for a machine.

    Raises:
        NoImageError: There is none, or `layout` is no image layout.
    """
    wanted = ARCHITECTURES.get(machine, machine)
    try:
        images = list(_images(layout, _read(layout / "index.json", _INDEX), 0))
    except (OSError, ValueError) as error:
        raise NoImageError(
            f"{layout} is not a readable OCI image layout.",
            why=str(error),
            next_step="skopeo copy docker://BASE_IMAGE oci:LAYOUT:base, where the registry can be reached",
        ) from error
    for image in images:
        if image.config.get("architecture") == wanted:
            return image
    found = ", ".join(str(image.config.get("architecture")) for image in images) or "none"
    raise NoImageError(
        f"{layout} has no image for {machine}.",
        why=f"Its images are for: {found}.",
        next_step=f"skopeo copy --override-arch {wanted} docker://BASE_IMAGE {shlex.quote(f'oci:{layout}:base')}",
    )


def _images(layout: Path, index: Mapping[str, Any], depth: int) -> Iterator[Image]:
    for entry in index["manifests"]:
        place = blob_path(layout, entry["digest"])
        document = _read(place, {"mediaType?": str})
        media_type = entry.get("mediaType") or document.get("mediaType", "")
        if media_type in _INDEX_TYPES and depth < _DEEPEST:
            yield from _images(layout, _read(place, _INDEX), depth + 1)
        elif "layers" in document:
            document = _read(place, _MANIFEST)
            config = _read(blob_path(layout, document["config"]["digest"]), {})
            if "rootfs" in config:
                config = _read(blob_path(layout, document["config"]["digest"]), _CONFIG)
                yield Image(manifest=document, media_type=media_type, config=config)


def _read(path: Path, shape: object) -> dict[str, Any]:
    try:
        document: dict[str, Any] = documents.read_file(path, shape)
    except documents.UnsoundError as error:
        raise ValueError(f"{path.name}: {error}") from error
    return document
