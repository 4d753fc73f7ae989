"""`invoke image`: an image's build context, or the image itself without any engine."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.output_file import require_out
from ascend_wheelhouse.cells.target import Machine
from ascend_wheelhouse.image import append, context


@dataclass(frozen=True, kw_only=True)
class ContextOptions:
    """Write a build context.

    Args:
        source: A bundle, its parts, or a wheelhouse folder.
        out: The folder to write.
        base: Base image instead of the cell's CANN image.
        trusted_key: Who must have signed the bundle; without it an unsigned wheelhouse is taken.
        prefix: Where the environment stands in the image; the usual place when None.
        json: Print one JSON document.
    """

    source: Path
    out: Path
    base: str | None = None
    trusted_key: str | None = None
    prefix: str | None = None
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class AppendOptions:
    """Put an installed environment as a layer on a base image layout.

    Args:
        environment: The installed environment.
        base: A folder with the base's image layout.
        out: The image layout to write.
        inside: Where the environment stands in the image.
        machine: Which image of the base.
        json: Print one JSON document.
    """

    environment: Path
    base: Path
    out: Path
    inside: str
    machine: Machine
    json: bool = False


def main(options: ContextOptions | AppendOptions) -> None:
    """Write a build context, or an image layout."""
    require_out(Path(os.path.realpath(options.out)).parent, "The image's folder is put")
    if isinstance(options, AppendOptions):
        _append(options)
    else:
        _write_context(options)


def _write_context(options: ContextOptions) -> None:
    made = context.write_context(
        options.source,
        options.out,
        trusted_key=options.trusted_key,
        base=options.base,
        prefix=options.prefix or context.PREFIX,
    )
    if options.json:
        console.print_json({**asdict(made), "folder": str(made.folder)})
        return
    console.line(f"{made.folder}/Containerfile builds on {made.base}")
    console.line(f"\nNext: {made.build}")


def _append(options: AppendOptions) -> None:
    made = append.append_environment(
        options.environment,
        options.base,
        options.out,
        inside=options.inside,
        machine=options.machine,
        labels={"org.opencontainers.image.title": "sglang-npu"},
    )
    if options.json:
        console.print_json(asdict(made))
        return
    console.line(f"{options.out} holds the image {made.manifest}")
    if made.interpreter:
        console.line(f"note: the base image must have its Python at {made.interpreter}")
    console.line(f"\nNext: skopeo copy {shlex.quote(f'oci:{options.out}')} docker://REGISTRY/sglang-npu:TAG")
