"""Opens a bundle, refuses it unless every byte is as its signed manifest says, and hands out its files.

A bundle is a tar in the one layout of `layout.py`: manifest, signature, provenance, then the files. `verify`
checks the signature, the provenance, the serial, every header and every file's size and sha256, and that
nothing else is there. A delta lacks what an older bundle holds; with that one as `base` it reads like the
whole. The same calls read a folder that a bundle was unpacked into. `extract` checks again what it writes, so
that a file changed between the two steps is refused as well.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import errors, layout
from ..trust import dsse, signature, sshsig
from . import opened, told_parts
from .sources import BundleDamagedError, Region

Progress = Callable[[int], None]
_SHOWN = 5


class ChangedFileError(errors.IntegrityError):
    """A file is not the one that the manifest names."""


class OlderSerialError(errors.IntegrityError):
    """The bundle is older than what is installed: perhaps a replay."""


class DeltaBaseError(errors.IntegrityError):
    """A delta without its base, with another, or with one that is a delta itself."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of the manifest; `size` is bytes, `carried` False for what a delta leaves to its base."""

    path: str
    size: int
    sha256: str
    kind: str
    carried: bool


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was proven: who signed (None: nobody), the serial, the digests of all content and of `install.py`.

    `left` is how many files of a delta were not looked at, since they are those of a base that was not given.
    """

    fingerprint: str | None
    serial: int
    contents: str
    installer: str
    left: int = 0


def nothing(_count: int) -> None:
    """Report no progress."""


class Bundle:
    """A bundle, its parts or its folder; opened with `open_bundle`."""

    def __init__(self, parts: opened.Opened, base: Bundle | None) -> None:
        self._opened = parts
        self.base = base
        self.manifest: dict[str, Any] = parts.manifest
        self.delta: dict[str, Any] | None = parts.delta
        self.contents = layout.contents_digest(self.manifest["files"])
        self._regions = dict(parts.regions)
        if base is not None:
            self._fill_from(base)

    def _fill_from(self, base: Bundle) -> None:
        if self.delta is not None and base.contents != self.delta["base"]:
            raise DeltaBaseError(
                f"This delta was made against the contents {self.delta['base']}, not {base.contents}.",
                next_step="give the bundle that the delta was made against as the base",
            )
        known = {file["sha256"]: file["path"] for file in base.manifest["files"]}
        for file in self.manifest["files"]:
            if file["path"] not in self._regions and file["sha256"] in known:
                self._regions[file["path"]] = base.held(known[file["sha256"]])

    @property
    def folder(self) -> Path | None:
        """The folder in which the files lie under their own paths, if it is that form of a bundle."""
        return self._opened.folder if self.delta is None else None

    @property
    def serial(self) -> int:
        """The serial in the manifest; 0 for a wheelhouse that was never bundled."""
        return int(self.manifest.get("serial", 0))

    @property
    def signer(self) -> str | None:
        """The fingerprint that the signature names, unchecked; None without a signature."""
        armoured = self._opened.signature
        return None if armoured is None else sshsig.fingerprint(sshsig.parse(armoured).key)

    def iter_files(self) -> Iterator[File]:
        """Yield every file of the manifest in the order of the bundle."""
        by_path = {file["path"]: file for file in self.manifest["files"]}
        for path in layout.member_order(by_path):
            file = by_path[path]
            yield File(
                path=path,
                size=file["size"],
                sha256=file["sha256"],
                kind=file.get("kind", ""),
                carried=path in self._opened.regions,
            )

    def head_members(self) -> Iterator[tuple[str, bytes]]:
        """Yield what stands before the files: manifest, signature, provenance, the delta's list, the sums."""
        found = self._opened
        delta = None if self.delta is None else layout.delta(self.delta["base"], self.delta["carried"])
        contents = (found.manifest_bytes, found.signature, found.provenance, delta)
        for name, content in zip(layout.HEAD, contents, strict=True):
            if content is not None:
                yield name, content
        yield layout.SUMS, layout.sums(self.manifest["files"])

    def held(self, path: str) -> Region:
        """Return where a file's bytes lie in the base of a delta, as `region` does.

        Raises:
            DeltaBaseError: This base is a delta too, and was opened without a base of its own.
        """
        if path in self._regions or self.delta is None:
            return self.region(path)
        raise DeltaBaseError(
            f"The base is a delta itself, and lacks {path}.",
            why=f"It leaves that to a base of its own, with the contents {self.delta['base']}.",
            next_step="name the whole bundle of it; where it was packed, this makes it: "
            "invoke bundle --rebuild OLD_DELTA --base ITS_BASE --out WHOLE.tar --trusted-key KEY",
        )

    def region(self, path: str) -> Region:
        """Return where a file's bytes lie.

        Raises:
            DeltaBaseError: A delta leaves the file to its base, and that was not given.
            MissingMemberError: The bundle is no delta, and lacks the file: the base of one may do so.
        """
        if path in self._regions:
            return self._regions[path]
        if self.delta is None:
            raise opened.MissingMemberError(
                f"{self.folder or 'The bundle'} lacks {path}, which its manifest names.",
                why="It was removed, or not all of it was copied.",
                next_step="copy or unpack that bundle afresh",
            )
        raise DeltaBaseError(
            f"{path} is not in this delta.",
            why=f"It is left to the base with the contents {(self.delta or {}).get('base', 'unknown')}.",
            next_step="name the older bundle as the base: --base OLD_BUNDLE",
        )

    def verify(
        self,
        trusted_key: str | Path | None,
        *,
        insecure: bool = False,
        installed_serial: int | None = None,
        allow_rollback: bool = False,
        carried_only: bool = False,
        progress: Progress = nothing,
    ) -> Verified:
        """Prove the bundle whole, unchanged, signed by a trusted key and not older than what is installed.

        Args:
            trusted_key: `SHA256:...`, or a file of public keys.
            insecure: Accept a bundle that nobody signed, or that an unknown key signed.
            installed_serial: The serial of what is installed, for the check against replays.
            allow_rollback: Accept an older serial.
            carried_only: Check of a delta what it carries, without its base.
            progress: Told how many bytes were hashed, from several threads.

        Raises:
            IntegrityError: One of its narrower kinds, for whatever does not hold; nothing was written.
        """
        fingerprint = self._verify_signature(trusted_key, insecure=insecure)
        if installed_serial is not None and self.serial < installed_serial and not allow_rollback:
            raise OlderSerialError(
                f"The bundle has the serial {self.serial}; {installed_serial} is installed.",
                why="An older bundle may be a replay that brings a known defect back.",
                next_step="--allow-rollback, if going back is what you want",
            )
        self._opened.check_layout()
        self._verify_files(carried_only=carried_only, progress=progress)
        return Verified(
            fingerprint=fingerprint,
            serial=self.serial,
            contents=self.contents,
            installer=layout.installer_digest(self.manifest["files"]),
            left=sum(carried_only and not file.carried for file in self.iter_files()),
        )

    def _verify_signature(self, trusted_key: str | Path | None, *, insecure: bool) -> str | None:
        found = self._opened
        trusted = None if trusted_key is None else signature.trusted_fingerprints(trusted_key)
        if found.signature is None:
            if insecure and found.provenance is None:
                return None
            raise signature.unsigned()
        if trusted is None and not insecure:
            raise signature.no_trusted_key(self.signer)
        key = signature.check(found.manifest_bytes, found.signature, trusted)
        if found.provenance is None:
            raise BundleDamagedError(
                "The bundle is signed but carries no provenance.",
                why="A signed bundle always carries provenance.dsse.json; it was taken out.",
                next_step=sshsig.DO_NOT_USE,
            )
        dsse.check_provenance(found.provenance, key, found.manifest_bytes)
        return sshsig.fingerprint(key)

    def _verify_files(self, *, carried_only: bool, progress: Progress) -> None:
        files = [file for file in self.iter_files() if file.carried or not carried_only]
        regions = [(file, self.region(file.path)) for file in files]
        regions.sort(key=lambda pair: -pair[0].size)

        def differs(pair: tuple[File, Region]) -> bool:
            return pair[1].size != pair[0].size or pair[1].sha256(progress) != pair[0].sha256

        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
            bad = [pair for pair, other in zip(regions, pool.map(differs, regions), strict=True) if other]
        if bad:
            raise _changed(
                sorted(file.path for file, _ in bad), told_parts.holding(region for _, region in bad)
            )

    def extract(self, path: str, destination: Path, *, hashed: bool = True) -> None:
        """Write one file of the manifest to `destination`, checked on the way; nothing is left if it differs.

        Args:
            path: The file, as the manifest names it.
            destination: Where it goes.
            hashed: False leaves the second check to whatever takes the file by its digest.

        Raises:
            ChangedFileError: Its bytes are not those of the manifest, or the manifest has no such file.
        """
        expected = next((file for file in self.manifest["files"] if file["path"] == path), None)
        if expected is None:
            raise _changed([path])
        digest = hashlib.sha256()
        handle, partial = tempfile.mkstemp(prefix=f".{destination.name}.", dir=destination.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                if not hashed:
                    self.region(path).copy_to(stream)
                else:
                    for chunk in self.region(path).chunks():
                        stream.write(chunk)
                        digest.update(chunk)
            if hashed and digest.hexdigest() != expected["sha256"]:
                raise _changed([path])
            Path(partial).chmod(0o644)
            Path(partial).replace(destination)
        finally:
            Path(partial).unlink(missing_ok=True)


def _changed(paths: Sequence[str], parts: str = "") -> ChangedFileError:
    again = f"these parts: {parts}" if parts else "the bundle again"
    shown = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
    return ChangedFileError(
        f"Not as the manifest says: {shown}.",
        why="The bytes were changed after the bundle was made, or damaged on the way."
        + (f" They lie in {parts}." if parts else ""),
        next_step=f"copy {again}; if that does not help, ask its maker for a new one",
    )


def open_bundle(path: str | Path | Sequence[Path], base: str | Path | Bundle | None = None) -> Bundle:
    """Open a bundle for reading; what it says is proven by `Bundle.verify` alone.

    Args:
        path: The bundle, its first part or its name without part numbers, all its parts, or a folder that it
            was unpacked into.
        base: For a delta: the older bundle, opened or by path.

    Raises:
        IntegrityError: It is no bundle, is cut short, or names a path that no bundle may have.
        UsageError: There is nothing at that path.
    """
    opened_base = open_bundle(base) if isinstance(base, str | Path) else base
    return Bundle(opened.open_contents(Path(path) if isinstance(path, str) else path), opened_base)
