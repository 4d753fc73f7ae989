"""`invoke bundle`: packs a wheelhouse, or lists, proves or rebuilds a bundle."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.output_file import require_out
from ascend_wheelhouse.bundle.command import (
    BundleResult,
    bundle_command,
    list_bundle,
    rebuild_bundle,
    verify_bundle,
)
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.folder.manifest import telling
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.outdated import require_current, tell_older_installer
from ascend_wheelhouse.make.project_folder import ProjectFolder


@dataclass(frozen=True, kw_only=True)
class ToolRequest:
    """The program itself, for a kind of host."""

    target: Target


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """Pack a wheelhouse.

    Args:
        root: The project folder.
        wheelhouse: The folder to pack, the cell whose wheelhouse stands in the project folder, or the program itself.
        out: Folder or `.tar` file to write.
        split: Size of parts in bytes; one file when None.
        oci: Write an OCI image layout.
        base: An older bundle or manifest: write only what it lacks.
        sign_key: OpenSSH private key to sign with.
        serial: The bundle's serial; rises by itself when None.
        allow_incomplete: Pack although components are pending.
        json: Print one JSON document.
    """

    root: Path
    wheelhouse: Path | Request | ToolRequest
    out: Path
    split: int | None = None
    oci: bool = False
    base: Path | None = None
    sign_key: Path | None = None
    serial: int | None = None
    allow_incomplete: bool = False
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """List what a bundle says of itself, without unpacking or proving it."""

    bundle: Path
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class ProveOptions:
    """Prove a bundle without unpacking it.

    Args:
        bundle: The bundle.
        base: The bundle that a delta builds on.
        trusted_key: Public key or allowed-signers file to prove it against.
        insecure: Accept an unsigned bundle.
        json: Print one JSON document.
    """

    bundle: Path
    base: Path | None = None
    trusted_key: str | None = None
    insecure: bool = False
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class RebuildOptions:
    """Write the whole bundle from a delta and its base.

    Args:
        delta: The delta.
        base: The bundle that it builds on.
        out: The bundle to write.
        trusted_key: Public key or allowed-signers file to prove it against.
        insecure: Accept an unsigned bundle.
        json: Print one JSON document.
    """

    delta: Path
    base: Path
    out: Path
    trusted_key: str | None = None
    insecure: bool = False
    json: bool = False


BundleOptions = PackOptions | ListOptions | ProveOptions | RebuildOptions


def main(options: BundleOptions) -> None:
    """Do with a bundle what was asked."""
    match options:
        case PackOptions():
            require_out(_holding(options.out), "The bundle is put")
            _pack(options)
        case ListOptions():
            _list(options)
        case ProveOptions():
            _prove(options)
        case RebuildOptions():
            require_out(_holding(options.out), "The bundle is put")
            _rebuild(options)


def _holding(out: Path) -> Path:
    """Return the folder that a bundle's file goes into, or its image layout."""
    return out.parent if out.suffix in {".tar", ".oci"} else out


def _pack(options: PackOptions) -> None:
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit:
        folder = _folder(options, emit)
        with telling(folder):
            _require_current(options, folder, emit)
            result = bundle_command(
                folder,
                out=options.out,
                split=options.split,
                oci=options.oci,
                base=options.base,
                sign_key=options.sign_key,
                allow_incomplete=options.allow_incomplete,
                serial=options.serial,
                emit=emit,
            )
    if options.json:
        console.print_json(result.as_dict())
        return
    for path in result.paths:
        console.line(str(path))
    signer = result.fingerprint or "nobody"
    told = f"{result.carried} of {result.files} files, {forms.size(result.size)}, serial {result.serial}"
    console.line(f"{told}, signed by {signer}")
    console.line(forms.installer(result.installer))
    if result.fingerprint and not options.oci:
        where = "on the other host" if isinstance(options.wheelhouse, ToolRequest) else "on a node"
        console.line(f"\nNext, {where}: {_unpack(result)}")
        prefix = (
            "/opt/ascend-wheelhouse" if isinstance(options.wheelhouse, ToolRequest) else "/opt/sglang-npu"
        )
        line = _install(result, prefix)
        console.line(f"  echo '{result.installer}  install.py' | sha256sum --check && {line}")
        if isinstance(options.wheelhouse, ToolRequest):
            console.line(f"Then: {prefix}/run ascend-wheelhouse --help")


def _folder(options: PackOptions, emit: Emit) -> Path:
    if isinstance(options.wheelhouse, Path):
        return options.wheelhouse
    if isinstance(options.wheelhouse, ToolRequest):
        return _of_the_tool(options.wheelhouse, options.root, emit)
    cell = cell_of(options.wheelhouse, ProjectFolder.load(options.root))
    return options.root / "wheelhouse" / cell.name


def _require_current(options: PackOptions, folder: Path, emit: Emit) -> None:
    if isinstance(options.wheelhouse, Request):
        project = ProjectFolder.load(options.root)
        require_current(folder, cell_of(options.wheelhouse, project), project, emit)
    if not isinstance(options.wheelhouse, ToolRequest):
        tell_older_installer(folder, emit)


def _of_the_tool(asked: ToolRequest, root: Path, emit: Emit) -> Path:
    from ascend_wheelhouse.make.tool_wheelhouse import make_tool_wheelhouse  # noqa: PLC0415 - no other bundle needs it
    from ascend_wheelhouse.store.store import Store  # noqa: PLC0415 - likewise

    store = Store()
    with store.in_use(emit):
        return make_tool_wheelhouse(asked.target, root / "wheelhouse/.tool", store, emit)


def _unpack(result: BundleResult) -> str:
    first = result.paths[0]
    if len(result.paths) == 1:
        return f"tar -xf {shlex.quote(first.name)} install.py"
    return f"cat {shlex.quote(first.stem)}.* | tar -xf - install.py"


def _install(result: BundleResult, prefix: str) -> str:
    where = f"--bundle {shlex.quote(result.paths[0].name)} --prefix {prefix}"
    base = " --base OLD_BUNDLE" if result.base else ""
    return f"python{result.python} -I install.py {where}{base} --trusted-key {result.fingerprint}"


def _list(options: ListOptions) -> None:
    listing = list_bundle(options.bundle)
    if options.json:
        console.print_json(listing.as_dict())
        return
    sizes = [forms.size(file.size) for file in listing.files]
    width = max(map(len, sizes), default=0)
    for size, file in zip(sizes, listing.files, strict=True):  # no table: the names of wheels are long
        left = listing.base is not None and not file.carried
        console.line(f"{size:>{width}}  {file.path}{'  of the base' if left else ''}")
    console.line(
        f"{listing.stack} {listing.platform}, serial {listing.serial}, signer {listing.signer or 'nobody'}"
    )
    if listing.base is not None:
        carried = sum(file.carried for file in listing.files)
        told = f"delta: {carried} of {len(listing.files)} files, the others are of the base"
        console.line(f"{told} with the contents {listing.base}")


def _prove(options: ProveOptions) -> None:
    path = options.bundle
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit:
        proven = verify_bundle(
            path,
            trusted_key=options.trusted_key,
            insecure=options.insecure,
            base=options.base,
            emit=emit,
        )
    if options.json:
        console.print_json(asdict(proven))
    else:
        console.line(f"{path}: good, serial {proven.serial}, signed by {proven.fingerprint or 'nobody'}")
        if proven.left:
            left = f"{forms.counted(proven.left, 'file')} {forms.be(proven.left)}"
            console.line(f"{left} of the base, and proven with `--base OLD_BUNDLE` alone")
        console.line(forms.installer(proven.installer))


def _rebuild(options: RebuildOptions) -> None:
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit:
        written = rebuild_bundle(
            options.delta,
            options.base,
            options.out,
            trusted_key=options.trusted_key,
            insecure=options.insecure,
            emit=emit,
        )
    if options.json:
        console.print_json({"paths": [str(one) for one in written]})
        return
    for one in written:
        console.line(str(one))
