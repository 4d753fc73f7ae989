"""What `invoke bundle` does: pack a wheelhouse, list a bundle, verify it, rebuild a whole one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base import medium, occupied
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobProgress, JobStarted, Note, silent
from ascend_wheelhouse.bundle import oci as layouts
from ascend_wheelhouse.bundle.pack import Packing, pack
from ascend_wheelhouse.bundle.parts import PartWriter, require_beside, require_few, require_no_folder, settle
from ascend_wheelhouse.bundle.tar import BundleMember, write_members
from ascend_wheelhouse.node import layout
from ascend_wheelhouse.node.host.pythons import is_version
from ascend_wheelhouse.node.reading.bundle_reader import Bundle, File, Verified, open_bundle

_END = 10_240
"""Bytes that a tar has at most behind its members."""


class OptionsClashError(UsageError):
    """Options of `bundle` that exclude each other."""


@dataclass(frozen=True, kw_only=True)
class BundleResult:
    """What was written.

    Args:
        paths: The bundle, its parts, or the folder of the image layout.
        size: Bytes written.
        serial: The bundle's serial.
        fingerprint: Who signed it; None when nobody did.
        contents: One digest of all content.
        files: How many files the wheelhouse has.
        carried: How many of them the bundle carries itself.
        installer: The sha256 of `install.py`, to be written down and compared on the far side.
        base: The contents digest of a delta's base.
        python: The Python of the nodes, such as `3.11`.
    """

    paths: tuple[Path, ...]
    size: int
    serial: int
    fingerprint: str | None
    contents: str
    files: int
    carried: int
    installer: str
    base: str | None = None
    python: str = "3.11"

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {**asdict(self), "paths": [str(path) for path in self.paths]}


@dataclass(frozen=True, kw_only=True)
class BundleListing:
    """What a bundle says of itself, unproven."""

    stack: str
    platform: str
    serial: int
    signer: str | None
    contents: str
    base: str | None
    files: tuple[File, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return asdict(self)


def bundle_command(
    wheelhouse: Path,
    *,
    out: Path,
    split: int | None = None,
    oci: bool = False,
    base: Path | None = None,
    sign_key: Path | None = None,
    allow_incomplete: bool = False,
    serial: int | None = None,
    emit: Emit = silent,
) -> BundleResult:
    """Pack a wheelhouse; a run that was killed goes on where it stopped.

    Args:
        wheelhouse: The wheelhouse's folder.
        out: Where the bundle goes: a folder, or a file ending in `.tar`.
        split: The size of parts in bytes; one file without it.
        oci: Write an OCI image layout instead of a tar.
        base: An older bundle or manifest: write a delta against it.
        sign_key: The OpenSSH private key to sign with; without it the bundle is unsigned, and nodes refuse
            it.
        allow_incomplete: Pack a wheelhouse with pending components.
        serial: The bundle's serial; see `serial.decide` for what holds without it.
        emit: Where progress goes.

    Raises:
        UsageError: The wheelhouse, the key, the base or an option is unfit.
        IncompleteError: Components are pending and `allow_incomplete` is not set.
        IntegrityError: A file of the wheelhouse is not the one that its manifest names.
    """
    if oci and (split or base):
        raise OptionsClashError(
            "--oci goes with neither --split nor --base.",
            why="A registry moves an image layer by layer and keeps equal layers once.",
            next_step="leave out --split and --base",
        )
    with occupied.reading(wheelhouse, emit):
        packing = pack(wheelhouse, base, sign_key, serial, allow_incomplete=allow_incomplete)
        if base:
            require_beside(_named(packing, out, ".tar"), base)
        return _write(packing, out, split, emit, oci=oci)


def _write(packing: Packing, out: Path, limit: int | None, emit: Emit, *, oci: bool) -> BundleResult:
    """Write a bundle in the form asked for; one process at a time writes to a name."""
    if packing.fingerprint is None:
        emit(
            Note(text="The bundle is not signed: nodes refuse it. Sign with --sign-key KEY.", level="warning")
        )
    suffix = ".oci" if oci else ".tar"
    path = _named(packing, out, suffix)
    if oci:
        with occupied.writing(path, emit):
            return _write_layout(packing, path, emit)
    require_no_folder(path, limit)
    require_few(limit, _END + sum(member.packed for member in packing.members))
    with occupied.writing(path, emit), PartWriter(path, limit) as writer:
        paths = write_members(packing.members, writer, emit)
        return _result(packing, tuple(paths), writer.position)


def _named(packing: Packing, out: Path, suffix: str) -> Path:
    return out if out.suffix == suffix else out / f"{packing.name}{suffix}"


def _write_layout(packing: Packing, folder: Path, emit: Emit) -> BundleResult:
    manifest = packing.manifest
    annotations = {
        "org.opencontainers.image.title": packing.name,
        "org.opencontainers.image.version": str(manifest["serial"]),
        "ascend-wheelhouse.contents": layout.contents_digest(manifest["files"]),
        **{f"ascend-wheelhouse.cell.{key}": str(value) for key, value in manifest.get("cell", {}).items()},
    }
    layouts.write_bundle_layout(packing.members, folder, packing.name, annotations, emit)
    return _result(packing, (folder,), sum(member.size for member in packing.members))


def _result(packing: Packing, paths: tuple[Path, ...], size: int) -> BundleResult:
    files = packing.manifest["files"]
    return BundleResult(
        paths=paths,
        size=size,
        serial=packing.manifest["serial"],
        fingerprint=packing.fingerprint,
        contents=layout.contents_digest(files),
        files=len(files),
        carried=sum(member.path not in layout.RESERVED for member in packing.members),
        installer=layout.installer_digest(files),
        base=packing.base.contents if packing.base else None,
        python=_python(packing.manifest.get("cell", {})),
    )


def _python(cell: Mapping[str, Any]) -> str:
    """Return the Python that a manifest's cell names, where that is one: it goes into a command that is printed."""
    named = str(cell.get("python", ""))
    return named if is_version(named) else "3.11"


def list_bundle(path: Path) -> BundleListing:
    """Read what a bundle says of itself, without unpacking or proving it.

    Raises:
        UsageError: There is no bundle at that path.
        IntegrityError: It is no bundle, or too damaged to be listed.
    """
    settle(path)
    bundle = open_bundle(path)
    return BundleListing(
        stack=str(bundle.manifest.get("stack", "")),
        platform=str(bundle.manifest.get("platform", "")),
        serial=bundle.serial,
        signer=bundle.signer,
        contents=bundle.contents,
        base=bundle.delta["base"] if bundle.delta else None,
        files=tuple(bundle.iter_files()),
    )


def verify_bundle(
    path: Path,
    *,
    trusted_key: str | Path | None = None,
    insecure: bool = False,
    base: Path | None = None,
    emit: Emit = silent,
) -> Verified:
    """Prove a bundle without unpacking it; of a delta without its base, what it carries.

    Its files are read from their medium, not from the memory that a copy has just left on this host.

    Raises:
        IntegrityError: It is unsigned, signed by a key that is not trusted, or changed.
        UsageError: There is no bundle at that path, or the trusted key is none.
    """
    _settle_all(path, base)
    bundle = open_bundle(path, base)
    medium.forget({place for file in bundle.iter_files() for place in _places(bundle, file)})
    counter = _Counter(bundle, emit)
    verified = bundle.verify(
        trusted_key, insecure=insecure, carried_only=base is None, progress=counter.count
    )
    emit(JobFinished(job="verify", outcome="done"))
    return verified


def _places(bundle: Bundle, file: File) -> tuple[Path, ...]:
    return bundle.region(file.path).file.paths if file.carried or bundle.base else ()


def _settle_all(*bundles: Path | None) -> None:
    for bundle in filter(None, bundles):
        settle(bundle)


class _Counter:
    """Adds up what was hashed, in several threads: a figure may be one piece late."""

    def __init__(self, bundle: Bundle, emit: Emit) -> None:
        self._emit = emit
        self._done = 0
        total = sum(file.size for file in bundle.iter_files() if file.carried or bundle.base)
        emit(JobStarted(job="verify", action="hash", total=total))

    def count(self, size: int) -> None:
        self._done += size
        self._emit(JobProgress(job="verify", done=self._done))


def rebuild_bundle(
    delta: Path,
    base: Path,
    out: Path,
    *,
    trusted_key: str | Path | None = None,
    insecure: bool = False,
    emit: Emit = silent,
) -> tuple[Path, ...]:
    """Write the whole bundle from a delta and its base: the same bytes as if it had been packed whole.

    Raises:
        IntegrityError: The base is another one, or the whole does not verify; nothing is written.
        FolderInPlaceError: A folder has the name of the new one.
    """
    require_no_folder(out)
    _settle_all(delta, base)
    bundle = open_bundle(delta, base)
    bundle.verify(trusted_key, insecure=insecure)
    heads = [
        BundleMember.small(name, content) for name, content in bundle.head_members() if name != layout.DELTA
    ]
    files = [
        BundleMember(path=file.path, size=file.size, sha256=file.sha256, content=bundle.region(file.path))
        for file in bundle.iter_files()
    ]
    with occupied.writing(out, emit), PartWriter(out) as writer:
        return tuple(write_members([*heads, *files], writer, emit))
