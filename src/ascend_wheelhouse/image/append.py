"""An image without an engine: an installed environment as one more layer on a base image layout.

The base comes from `skopeo copy docker://... oci:BASE`, `docker save`, or an air-gapped registry's export. Its
blobs are checked and linked, never changed; the layer is an uncompressed tar with fixed order and owner, so equal
environments give equal images. Source: OCI image-spec 1.1 (layer.md, config.md, manifest.md).
"""

from __future__ import annotations

import hashlib
import os
import shlex
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from ascend_wheelhouse.base import medium
from ascend_wheelhouse.base.errors import IntegrityError, UsageError
from ascend_wheelhouse.bundle.oci import blob_path, claim, put_json, write_index
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.image.layout import Image, find_image
from ascend_wheelhouse.node import documents, layout
from ascend_wheelhouse.node.install import receipt_file, trash

LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_LEFT_OUT = {".work", ".lock", "install.log"}
_ENVIRONMENTS = "envs"
_INDEX, _NAMES_INDEX = "index", "pip.conf"
"""The wheels that an install may keep, and the file of an environment that names them."""
_EXECUTABLE = 0o111
_LONGEST_CHAIN = 16
_COMMAND = ("python", "-m", "sglang.launch_server")
_SERVING = {"serving?": {"command?": [str]}}


class NotInstalledError(UsageError):
    """There is no installed environment to put into the image."""


class OtherPlaceError(UsageError):
    """An environment would not start at its place in the image, or not on the image's machine."""


class BaseBlobError(IntegrityError):
    """A blob of the base image is missing or not what its digest says."""


@dataclass(frozen=True, kw_only=True)
class Appended:
    """The image that was written.

    Args:
        manifest: Digest of its manifest.
        layer: Digest of the layer with the environment.
        size: The layer's size in bytes.
        interpreter: The Python outside the environment that it starts, which the base must have at that path;
            empty where the environment brings its own.
    """

    manifest: str
    layer: str
    size: int
    interpreter: str


def append_environment(
    environment: Path, base: Path, out: Path, *, inside: str, machine: str, labels: Mapping[str, str]
) -> Appended:
    """Write an image layout: the base image with an installed environment on top.

    Args:
        environment: The prefix that `install.py` filled; it was installed for the place `inside`.
        base: The image layout of the base.
        out: The folder of the new layout, which takes the place of an earlier one in one step.
        inside: The absolute path of the environment in the image.
        machine: `aarch64` or `x86_64`: which image of the base is taken.
        labels: Added to the image's labels.

    Raises:
        UsageError: There is no finished environment, it is for another place or machine, the base has no image for the
            architecture, or `out` holds other things.
        IntegrityError: A blob of the base, the receipt or the manifest of the environment is not sound.
    """
    if not (environment / "current" / receipt_file.RECEIPT).is_file():
        raise NotInstalledError(
            f"{environment} holds no finished environment.",
            next_step=f"install.py --prefix {shlex.quote(str(environment))}",
        )
    _require_fit(environment, inside, machine)
    image = find_image(base, machine)
    place = Path(os.path.realpath(out))
    claim(place)
    with assemble.replacing(place) as part:
        return _write(
            environment, base, part, image, out.name.removesuffix(".oci"), inside=inside, labels=labels
        )


def _require_fit(environment: Path, inside: str, machine: str) -> None:
    """Hold an environment to the place and the machine of the image: its scripts name the folder they stand in."""
    receipt = receipt_file.read(environment / "current")
    installed = Path(str(receipt.get("environment", f"{inside}/envs/any"))).parent.parent
    if installed != Path(inside):
        raise OtherPlaceError(
            f"The environment was installed at {installed}, and would stand at {inside} in the image.",
            why="Its programs name the folder that they stand in, and would not start at another.",
            next_step=f"the same command with --prefix {shlex.quote(str(installed))}",
        )
    if receipt.get("platform", machine) != machine:
        raise OtherPlaceError(
            f"The environment is for {receipt['platform']}, and the image for {machine}.",
            next_step=f"the same command with --platform {receipt['platform']}",
        )


def _command(environment: Path) -> list[str]:
    """Return what the image starts when it is not told: the server of the application, with its help."""
    path = environment / "current" / layout.MANIFEST
    try:
        found = documents.read_file(path, _SERVING) if path.is_file() else {}
    except documents.UnsoundError as error:
        raise receipt_file.BadReceiptError(
            f"{path} is no manifest: {error}.", next_step="install the wheelhouse again"
        ) from error
    return [*found.get("serving", {}).get("command", _COMMAND), "--help"]


def _write(
    environment: Path,
    base: Path,
    out: Path,
    image: Image,
    reference: str,
    *,
    inside: str,
    labels: Mapping[str, str],
) -> Appended:
    """Write the whole layout into an empty folder."""
    (out / "blobs" / "sha256").mkdir(parents=True)
    for descriptor in image.manifest["layers"]:
        _take_blob(base, out, descriptor)
    docker = image.media_type.startswith("application/vnd.docker.")
    layer = {"mediaType": _DOCKER_LAYER if docker else LAYER_TYPE, **_write_layer(environment, out, inside)}
    config = put_json(out, _config(image, layer["digest"], inside, labels, _command(environment)))
    document = {
        **image.manifest,
        "config": {"mediaType": image.manifest["config"]["mediaType"], **config},
        "layers": [*image.manifest["layers"], layer],
    }
    manifest = put_json(out, document)
    write_index(
        out,
        {**manifest, "mediaType": image.media_type, "platform": image.platform},
        reference,
    )
    medium.flush_tree(out)
    return Appended(
        manifest=str(manifest["digest"]),
        layer=str(layer["digest"]),
        size=int(layer["size"]),
        interpreter=_interpreter(environment, inside),
    )


def _interpreter(environment: Path, inside: str) -> str:
    """Follow the environment's `python` until it leaves the environment."""
    path = environment / "current" / "bin" / "python"
    for _ in range(_LONGEST_CHAIN):
        if not path.is_symlink():
            break
        target = path.readlink()
        if target.is_absolute() and not target.is_relative_to(inside):
            return str(target)
        path = environment / target.relative_to(inside) if target.is_absolute() else path.parent / target
    return ""


def _config(
    image: Image, diff_id: str, inside: str, labels: Mapping[str, str], command: Sequence[str]
) -> dict[str, Any]:
    run = image.config.get("config") or {}
    return {
        **image.config,
        "config": {
            **run,
            "Entrypoint": [f"{inside}/run"],
            "Cmd": [*command],
            "Labels": {**(run.get("Labels") or {}), **labels},
        },
        "rootfs": {"type": "layers", "diff_ids": [*image.config["rootfs"]["diff_ids"], diff_id]},
        "history": [
            *(image.config.get("history") or []),
            {"created_by": f"ascend-wheelhouse: the environment at {inside}"},
        ],
    }


def _take_blob(base: Path, out: Path, descriptor: Mapping[str, Any]) -> None:
    """Link or copy a blob of the base, once its digest is proven."""
    source, target = (blob_path(folder, str(descriptor["digest"])) for folder in (base, out))
    try:
        with source.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        digest = "missing"
    if f"sha256:{digest}" != descriptor["digest"]:
        raise BaseBlobError(
            f"The base image's blob {descriptor['digest']} is {digest}.",
            why="It was cut short, changed, or never copied.",
            next_step=f"copy the base image to {base} again",
        )
    if not target.exists():
        assemble.link_or_copy(source, target)


class _Hashing:
    """A file for writing that counts and hashes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._stream.write(data)


def _write_layer(environment: Path, out: Path, inside: str) -> dict[str, Any]:
    partial = out / "blobs" / "sha256" / ".layer"
    with partial.open("wb") as stream:
        hashing = _Hashing(stream)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
            for path in _walk(environment):
                _add(archive, path, f"{inside.strip('/')}/{path.relative_to(environment).as_posix()}")
    partial.replace(blob_path(out, hashing.digest.hexdigest()))
    return {"digest": f"sha256:{hashing.digest.hexdigest()}", "size": hashing.size}


def _walk(environment: Path) -> Iterator[Path]:
    """Yield all that belongs into the image: the index too, where the environment in use goes by it.

    An environment that is kept for a rollback does not: an image is rolled back by its tag.
    """
    indexed = (environment / "current" / _NAMES_INDEX).is_file()
    left_out = _LEFT_OUT if indexed else {*_LEFT_OUT, _INDEX}
    used = (environment / "current").resolve()

    def stays(parent: Path, name: str) -> bool:
        if parent == environment:
            return name not in left_out and not name.startswith(trash.NAMED)
        return parent != environment / _ENVIRONMENTS or used.parent != parent.resolve() or name == used.name

    yield environment
    for parent, folders, files in os.walk(environment, onerror=_unlistable):
        place = Path(parent)
        folders[:] = sorted(name for name in folders if stays(place, name))
        yield from (place / name for name in sorted([*folders, *files]) if stays(place, name))


def _unlistable(error: OSError) -> None:
    """Tell of a folder that this user may not look into: without it the image would lack what is in there."""
    raise error


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add one entry; a file keeps its time, since compiled modules name those of their sources.

    A folder's time is that of whatever came and went in it, and no part of what is in the image.
    """
    found = path.lstat()
    info = tarfile.TarInfo(name.removesuffix("/."))
    if path.is_symlink():
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
        archive.addfile(info)
    elif path.is_dir():
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
    else:
        info.mtime = int(found.st_mtime)
        info.size, info.mode = found.st_size, 0o755 if found.st_mode & _EXECUTABLE else 0o644
        with path.open("rb") as stream:
            archive.addfile(info, stream)
