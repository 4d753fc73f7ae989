"""The build context of an image: a Containerfile on the CANN base image of the cell, and the wheelhouse beside it.

Any engine that knows Containerfiles builds it (Docker with BuildKit, Podman from 4, Buildah), without a network, and
the installer checks the signature inside the build as on any node, and installs the payloads that the wheelhouse holds
and the base lacks (BiSheng's compiler, the custom operators) into the base's own CANN. The wheelhouse is only mounted
while that runs, so the image holds what was installed and nothing else. The base image's variables stay; what starts in
the image starts through `run`, which lays the node's environment over them (`node/host/node_environment.py`), as the
base's own entry point would have sourced CANN's scripts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ascend_wheelhouse.base import occupied
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.bundle.parts import settle
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.node import layout
from ascend_wheelhouse.node.host.pythons import is_version
from ascend_wheelhouse.node.reading.bundle_reader import Bundle, open_bundle

PREFIX: Final = "/opt/sglang-npu"
SYSTEM: Final = "ubuntu22.04"
_OWN = {"Containerfile", "wheelhouse"}
_BASES = "quay.io/ascend/cann"
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)+")
_REFERENCE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]*")
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]")
_TEMPLATE = """\
# {stack} for {platform}; written by ascend-wheelhouse. Build it with --network=none: no step wants one.
# Modules are compiled here, since a container forgets what it compiles; files that are no Python end that with 1.
ARG BASE={base}

FROM ${{BASE}}
RUN --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    python{python} -I /wheelhouse/install.py --prefix {prefix} --payloads {trust} \
    && {{ {prefix}/current/bin/python -I -m compileall -q -j 0 --invalidation-mode checked-hash {prefix}/envs \
    || test $? -eq 1; }} \
    && rm -rf {prefix}/.trash-*
{labels}
ENTRYPOINT ["{prefix}/run"]
CMD {command}
"""


class ImagePrefixError(UsageError):
    """The environment cannot stand at that path in an image."""


class DeltaImageError(UsageError):
    """An image was to be made of a delta."""


class ContextExistsError(UsageError):
    """The folder for the build context holds other things."""


class BaseImageError(UsageError):
    """No base image can be named for the cell."""


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """A build context: its folder, the base image, and the command that builds it."""

    folder: Path
    base: str
    tag: str
    build: str


def base_image(cell: Mapping[str, str], system: str = SYSTEM) -> str:
    """Return the CANN image of a cell: `quay.io/ascend/cann:8.3.rc2-a3-ubuntu22.04-py3.11`.

    Raises:
        BaseImageError: The cell names no CANN, chip or Python.
    """
    missing = [key for key in ("cann", "npu", "python") if not cell.get(key)]
    if missing:
        raise BaseImageError(
            f"The cell does not say its {', '.join(missing)}.",
            next_step="name the base image: --base REFERENCE",
        )
    return f"{_BASES}:{cell['cann'].lower()}-{cell['npu']}-{system}-py{cell['python']}"


def write_context(
    source: Path, out: Path, *, trusted_key: str | None = None, base: str | None = None, prefix: str = PREFIX
) -> BuildContext:
    """Write the build context for a bundle or a wheelhouse folder.

    Args:
        source: A bundle, its parts, or a wheelhouse; it is proven before anything is written.
        out: The folder for the context; new, or one that this wrote before, which is replaced in one step.
        trusted_key: Who must have signed the bundle; without it an unsigned wheelhouse is taken.
        base: The base image; the cell's CANN image when None.
        prefix: Where the environment stands in the image.

    Raises:
        UsageError: The bundle is a delta, `out` holds other things, no base image can be named, or the prefix is no
            plain absolute path.
        IntegrityError: The source is not sound, or not signed by that key.
    """
    settle(source)
    with occupied.reading(source):
        return _write(source, out, trusted_key=trusted_key, base=base, prefix=prefix)


def _write(
    source: Path, out: Path, *, trusted_key: str | None, base: str | None, prefix: str
) -> BuildContext:
    bundle = open_bundle(source)
    if bundle.delta is not None:
        raise DeltaImageError(
            f"{source} is a delta, and an image takes a whole bundle.",
            why="It leaves files to the bundle that it was packed against; --base names the image to build on.",
            next_step=f"`invoke bundle --rebuild {shlex.quote(str(source))} --base OLD_BUNDLE --out WHOLE.tar "
            "--trusted-key KEY`, then the same command with WHOLE.tar",
        )
    verified = bundle.verify(trusted_key, insecure=trusted_key is None)
    reference = base or base_image(bundle.manifest.get("cell", {}))
    if not _REFERENCE.fullmatch(reference):
        raise BaseImageError(
            f"{reference!r} is not the name of an image.", next_step="--base REGISTRY/NAME:TAG"
        )
    if not _PREFIX.fullmatch(prefix):
        raise ImagePrefixError(
            f"{prefix!r} is no place for the environment in an image.",
            why="It is an absolute path of letters, digits and . _ + -, since it stands in the Containerfile as it is.",
            next_step=f"--prefix {PREFIX}, or leave it out",
        )
    place = Path(os.path.realpath(out))
    _claim(place)
    fingerprint = verified.fingerprint if trusted_key else None
    with assemble.replacing(place) as part:
        _unpack(bundle, part / "wheelhouse")
        (part / "Containerfile").write_text(containerfile(bundle.manifest, reference, fingerprint, prefix))
    tag = _NOT_IN_TAGS.sub("-", f"{bundle.manifest['stack']}-{bundle.manifest['platform']}")
    machine = {"aarch64": "arm64", "x86_64": "amd64"}.get(str(bundle.manifest["platform"]), "")
    folder = shlex.quote(str(out))
    where = f"--tag sglang-npu:{tag} --file {shlex.quote(f'{out}/Containerfile')} {folder}"
    build = f"docker build --network=none --platform linux/{machine} {where}"
    return BuildContext(folder=out, base=reference, tag=tag, build=build)


def containerfile(
    manifest: Mapping[str, Any], base: str, fingerprint: str | None, prefix: str = PREFIX
) -> str:
    """Return the Containerfile for a wheelhouse: equal text for equal wheelhouses."""
    python = str(manifest.get("cell", {}).get("python", "3.11"))
    if not is_version(python):
        raise BaseImageError(
            f"The cell's Python is {python!r}, which is no version.", next_step="make the wheelhouse again"
        )
    facts = {
        "org.opencontainers.image.title": manifest["stack"],
        "org.opencontainers.image.version": manifest.get("serial", 0),
        "ascend-wheelhouse.contents": layout.contents_digest(manifest["files"]),
        **{f"ascend-wheelhouse.cell.{key}": value for key, value in sorted(manifest.get("cell", {}).items())},
    }
    return _TEMPLATE.format(
        stack=manifest["stack"],
        platform=manifest["platform"],
        base=base,
        prefix=prefix,
        python=python,
        trust=f"--trusted-key {fingerprint}" if fingerprint else "--insecure-no-signature",
        command=json.dumps([*manifest.get("serving", {}).get("command", ["python"]), "--help"]),
        labels="\n".join(f"LABEL {name}={json.dumps(str(value))}" for name, value in facts.items()),
    )


def _claim(out: Path) -> None:
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - _OWN):
        raise ContextExistsError(
            f"{out} holds other things.",
            why="The build context is written afresh, and an engine sends all of it to its daemon.",
            next_step="name a new folder with --out",
        )


def _unpack(bundle: Bundle, folder: Path) -> None:
    folder.mkdir()
    for name, content in bundle.head_members():
        (folder / name).write_bytes(content)
    for file in bundle.iter_files():
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        bundle.extract(file.path, target)
