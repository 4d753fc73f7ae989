"""Importing a file that no origin could be reached for.

The file is recognised by its name, checked, hashed, kept and recorded. A release archive is opened, and each
wheel or package in it that a recipe knows is recorded with what the archive's name says. A wheel of no
recipe is kept too: a lock asks for it by its hash.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from packaging.metadata import InvalidMetadata
from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.archives import ZipArchive
from ascend_wheelhouse.base.errors import IntegrityError, UsageError
from ascend_wheelhouse.base.events import Emit, Note, silent
from ascend_wheelhouse.build.outcome import is_incremental
from ascend_wheelhouse.cells.artefact_name import (
    NameFacts,
    facts_of,
    fits,
    names_release,
    recipes_for,
    wheel_distribution,
)
from ascend_wheelhouse.cells.recipe import Recipe, Recipes, closed_names
from ascend_wheelhouse.cells.target import NPUS
from ascend_wheelhouse.handover.right_kind import require_kind, require_plain, require_unpacked
from ascend_wheelhouse.handover.sound_source import require_whole
from ascend_wheelhouse.handover.untold import Given, UntoldFactError, require_told
from ascend_wheelhouse.store.proven import file_sha256
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import Kind, VendoredRecord, preferred_to, put_record
from ascend_wheelhouse.wheels.admission import require_safe
from ascend_wheelhouse.wheels.intake import require_sound
from ascend_wheelhouse.wheels.wheel import WheelFile
from ascend_wheelhouse.wheels.wheel_names import check_wheel_names

_KINDS: dict[str, Kind] = {".whl": "wheel", ".run": "payload", ".gz": "source", ".tgz": "source"}
_HEADS = {".whl": b"PK", ".zip": b"PK", ".run": b"#!", ".gz": b"\x1f\x8b", ".tgz": b"\x1f\x8b"}


class VendorFileMissingError(UsageError):
    """The file to import is not there."""


class UnknownArtefactError(UsageError):
    """No recipe knows a file of that name, or not under that component."""


class ClosedWheelNameError(UsageError):
    """The wheel carries a name that one recipe alone supplies, and is not that recipe's."""


class IncrementalWheelError(UsageError):
    """The wheel is that of an incremental build, which no wheelhouse takes."""


class OtherCellError(UsageError):
    """The file is for another cell than what was said of it, or than the archive that holds it."""


class DamagedArtefactError(IntegrityError):
    """The file is not what its name says: cut short, an error page, or another project's wheel."""


class VendoredHashError(IntegrityError):
    """The file's sha256 is not the one that was stated."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A file, or a member of an archive, with what is known before its bytes are kept."""

    filename: str
    recipe: Recipe | None
    facts: NameFacts
    origin: str


def vendor_file(
    path: Path,
    *,
    store: Store,
    recipes: Recipes,
    component: str = "",
    stated: NameFacts | None = None,
    sha256: str = "",
    emit: Emit = silent,
) -> tuple[VendoredRecord, ...]:
    """Keep a file for the wheelhouses that need it; return what was recorded.

    Args:
        path: A wheel, a `.run` package, an sdist, or a release archive (zip) that holds such files.
        store: Where the bytes and the record go.
        recipes: Every recipe.
        component: Whose the file is, where its name leaves that open.
        stated: What a person knows of the file; it fills in what the name leaves open, and names the release.
        sha256: The digest that it must have; not compared when empty.
        emit: Takes a note for each package in an archive that no recipe knows.

    Raises:
        UsageError: The file is not there, not known, or its release or chip is not told.
        IntegrityError: The bytes are not what the name or the stated digest says.
    """
    _check_bytes(path, sha256)
    require_unpacked(path)
    require_plain(path)
    _check_clean(path.name)
    stated = stated or NameFacts()
    given = Given(path=path, component=component, stated=stated, sha256=sha256)
    recipe = _owner(path.name, recipes, given)
    if recipe is not None:
        require_kind(path.name, recipe)
    told = _joined(path.name, stated, facts_of(path.name, recipe))
    if path.suffix == ".zip":
        records = _from_archive(given, told, store, recipes, emit)
    else:
        found = _Found(filename=path.name, recipe=recipe, facts=told, origin=path.name)
        known = bool(stated.version) or (recipe is not None and names_release(path.name, recipe))
        require_told(path.name, recipe, told, given, release_known=known)
        records = [_from_file(path, found, store)]
    for record in records:
        put_record(store, record)
    for record in records:
        _tell_preferred(record, store, emit)
    return tuple(records)


def _tell_preferred(record: VendoredRecord, store: Store, emit: Emit) -> None:
    """Say where an earlier import, of which more is told, is taken in place of this one."""
    for other in preferred_to(store, record):
        text = (
            f"for {other.facts.words}, the earlier {other.origin} is still taken, since more is told of it: "
            f"`invoke vendored --remove {other.sha256[:12]}` takes it back"
        )
        emit(Note(text=text, level="warning"))


def _from_file(path: Path, found: _Found, store: Store) -> VendoredRecord:
    if path.suffix == ".whl":
        _check_wheel(path)
    elif _KINDS.get(path.suffix) == "source":
        require_whole(path)
    with path.open("rb") as stream:
        return _keep(found, stream, store)


def _joined(filename: str, stated: NameFacts, told: NameFacts) -> NameFacts:
    if stated.npu and stated.npu not in NPUS:
        raise UntoldFactError(
            f"Unknown NPU chip {stated.npu!r}.", next_step=f"--npu {' or --npu '.join(NPUS)}"
        )
    if differing := told.differing(stated):
        raise OtherCellError(
            f"{filename} is for {told.words}; the command is about {stated.words}.",
            why=f"They differ in {', '.join(differing)}: such a file installs and then fails on the node.",
            next_step=f"import the file for {stated.words}, or say nothing of what the name of this one tells",
        )
    return stated.over(told)


def _check_bytes(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise VendorFileMissingError(
            f"There is no file {path}.", next_step="give the path of a file that you downloaded"
        )
    with path.open("rb") as stream:
        head = stream.read(4)
    if not head or not head.startswith(_HEADS.get(path.suffix, b"")):
        raise DamagedArtefactError(
            f"The content of {path.name} is not that of a {path.suffix} file.",
            why="It was cut short, or it is the error page of the server that it came from.",
            next_step="download it again and compare its sha256 with the publisher's",
        )
    if sha256 and (found := file_sha256(path)) != sha256.lower():
        raise VendoredHashError(
            f"{path.name} has sha256 {found}, and {sha256.lower()} was stated.",
            why="The download was cut short, or the file is another one.",
            next_step="download it again, or correct --sha256",
        )


def _check_clean(filename: str) -> None:
    if is_incremental(filename):
        raise IncrementalWheelError(
            f"{filename} is the wheel of an incremental build.",
            why="Such wheels are for trying a change: no build from a fresh source has proven them.",
            next_step="build it without --incremental, and import that wheel",
        )


def _owner(filename: str, recipes: Recipes, given: Given) -> Recipe | None:
    if component := given.component:
        if component in recipes:
            return recipes[component]
        names = ", ".join(sorted(recipes))
        raise UnknownArtefactError(
            f"There is no component {component!r}.", next_step=f"--component with one of {names}"
        )
    known = recipes_for(filename, recipes)
    if len(known) == 1:
        return known[0]
    if not known and filename.endswith(".zip"):
        return None
    if not known and filename.endswith(".whl"):
        _check_not_closed(filename, recipes)
        return None
    owners = ", ".join(recipe.name for recipe in known)
    patterns = sorted(pattern for recipe in recipes.values() for pattern in recipe.patterns)
    raise UnknownArtefactError(
        f"{filename} fits {f'several recipes: {owners}' if owners else 'no recipe'}.",
        why=f"Files are recognised by their names: {', '.join(patterns)}.",
        next_step=f"keep the publisher's file name, or `{given.again(component='NAME')}`",
    )


def _check_not_closed(filename: str, recipes: Recipes) -> None:
    owner = closed_names(recipes).get(canonicalize_name(wheel_distribution(filename)))
    if owner is not None:
        raise ClosedWheelNameError(
            f"{filename} carries a name that only recipe {owner} supplies, and is not one of its files.",
            why=f"Its files are named {', '.join(recipes[owner].patterns)}: other projects use the name too.",
            next_step=f"import one of those, or state `--component {owner}` if you know that it is right",
        )


def _check_wheel(path: Path) -> None:
    with WheelFile.open(path) as wheel:
        try:
            inner = canonicalize_name(wheel.metadata.name)
        except InvalidMetadata as error:
            raise DamagedArtefactError(
                f"{path.name} has metadata that cannot be read: {error}.",
                why="It was damaged, or packed by a faulty tool.",
                next_step="download it again and compare its sha256 with the publisher's",
            ) from error
    if inner != wheel_distribution(path.name):
        raise DamagedArtefactError(
            f"{path.name} is the wheel of {inner} inside.",
            why="It was renamed, or packed by a faulty tool.",
            next_step="download it again under the publisher's name",
        )


def _from_archive(
    given: Given, told: NameFacts, store: Store, recipes: Recipes, emit: Emit
) -> list[VendoredRecord]:
    path, records = given.path, []
    with ZipArchive.opened(path, lambda fault: _cut_short(path, fault)) as archive:
        require_safe(path.name, archive.infolist())
        for member in _members(archive):
            found = _member(path, member.filename, told, recipes)
            if found is None:
                _tell_left_out(path, member.filename, emit)
                continue
            known = bool(told.version)
            require_told(found.filename, found.recipe, found.facts, given, release_known=known)
            with archive.open(member) as stream:
                records.append(_keep(found, stream, store))
    if not records:
        raise UnknownArtefactError(
            f"{path.name} holds no file that a recipe knows.",
            next_step="import the archive that the component's recipe names",
        )
    return records


def _cut_short(path: Path, fault: str) -> DamagedArtefactError:
    return DamagedArtefactError(
        f"{path.name} cannot be read to its end: {fault}.",
        why="The download was cut short, or the archive was made by a faulty tool.",
        next_step="download it again and compare its sha256 with the publisher's",
    )


def _members(archive: ZipArchive) -> list[zipfile.ZipInfo]:
    """Return the members by name; an archive cut short can pass for the last wheel stored inside it."""
    members = archive.infolist()
    if members and min(member.header_offset for member in members) > 0:
        raise zipfile.BadZipFile("its directory is missing")
    return sorted(members, key=lambda member: member.filename)


def _member(path: Path, member: str, told: NameFacts, recipes: Recipes) -> _Found | None:
    name = member.rpartition("/")[2]
    owner = next((recipe for recipe in recipes.values() if fits(name, recipe)), None)
    if owner is None or name.endswith(".zip"):
        return None
    _check_clean(name)
    own = facts_of(name, owner)
    if differing := own.differing(told):
        raise OtherCellError(
            f"{name} in {path.name} is for {replace(own, version='').words}; the archive is for {told.words}.",
            why=f"They differ in {', '.join(differing)}: the archive was renamed or packed wrongly. Nothing was kept.",
            next_step="download the archive again under its publisher's name",
        )
    facts = told.over(own)
    return _Found(filename=name, recipe=owner, facts=facts, origin=f"{path.name}!{member}")


def _tell_left_out(path: Path, member: str, emit: Emit) -> None:
    if member.endswith((".whl", ".run", ".zip")):
        text = f"{member} in {path.name} belongs to no recipe and is left out"
        emit(Note(text=text, level="warning"))


def _keep(found: _Found, stream: IO[bytes], store: Store) -> VendoredRecord:
    with store.incoming() as path:
        digest = store.copy_in(stream, path)
        require_sound(path, found.filename)
        check_wheel_names(path, found.filename)
        store.adopt(path, digest)
    return VendoredRecord(
        component=found.recipe.name if found.recipe else "",
        artifact=store.artifact(found.filename, digest),
        kind=_KINDS.get(Path(found.filename).suffix, "payload"),
        facts=found.facts,
        origin=found.origin,
        licence=found.recipe.licence if found.recipe else "",
    )
