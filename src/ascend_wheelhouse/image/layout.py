"""Reading an OCI image layout: which of its images is for a machine, with manifest and configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.bundle.oci import blob_path

ARCHITECTURES: Final = {"aarch64": "arm64", "x86_64": "amd64"}
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_DEEPEST = 4


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
        images = list(_images(layout, _read(layout / "index.json"), 0))
    except (OSError, ValueError, KeyError, TypeError) as error:
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
        next_step=f"skopeo copy --override-arch {wanted} docker://BASE_IMAGE oci:{layout}:base",
    )


def _images(layout: Path, index: Mapping[str, Any], depth: int) -> Iterator[Image]:
    for entry in index["manifests"]:
        document = _read(blob_path(layout, str(entry["digest"])))
        media_type = str(entry.get("mediaType") or document["mediaType"])
        if media_type in _INDEX_TYPES and depth < _DEEPEST:
            yield from _images(layout, document, depth + 1)
        elif "layers" in document:
            config = _read(blob_path(layout, str(document["config"]["digest"])))
            if "rootfs" in config:
                yield Image(manifest=document, media_type=media_type, config=config)


def _read(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict):
        raise TypeError(f"{path.name} is not an object")
    return document
