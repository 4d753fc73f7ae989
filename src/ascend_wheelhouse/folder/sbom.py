"""The software bill of materials of a wheelhouse: CycloneDX 1.6, equal bytes for equal wheelhouses.

One component a wheel (purl, licence as declared, sha256, grafted shared libraries nested in it) and one a
payload or source archive. Serial number and order come from the manifest's digests; there is no time stamp in
it, since nothing in the content says one.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.exception.model import InvalidUriException
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import DisjunctiveLicense, License
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.metadata import RawMetadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.archives import telling
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.shared import shared
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.folder.purl import not_of_the_index, purl_of
from ascend_wheelhouse.wheels import licences
from ascend_wheelhouse.wheels.grafted import BILL, GraftedLibrary, read_bill
from ascend_wheelhouse.wheels.wheel import WheelFile

_NAMESPACE = "ascend-wheelhouse"
_LEADING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s]")
"""What begins like a URL with a host; `git@host:path` is none, and the schema refuses it."""
_OF_IMAGE = re.compile(r"(?P<name>[^\s,]+) \(sha256 (?P<sha256>[0-9a-f]{64})\) of (?P<image>[^\s,;]+)")
"""How the note of a built wheel names a library of a container's image (`build/image_libraries.py`)."""
_OTHERS = {"payload": ComponentType.APPLICATION, "source": ComponentType.FILE}
_LINKS = {
    "repository": ExternalReferenceType.VCS,
    "source": ExternalReferenceType.VCS,
    "source code": ExternalReferenceType.VCS,
    "homepage": ExternalReferenceType.WEBSITE,
    "documentation": ExternalReferenceType.DOCUMENTATION,
    "issues": ExternalReferenceType.ISSUE_TRACKER,
}


@dataclass(frozen=True, kw_only=True)
class SbomFacts:
    """What the bill says of a wheel.

    Args:
        metadata: Its METADATA.
        licences: What that declares.
        grafted: The libraries grafted into it with their sha256.
        origins: What the wheel itself says of those that came from locked packages.
    """

    metadata: RawMetadata
    licences: Sequence[License]
    grafted: Mapping[str, str]
    origins: Mapping[str, GraftedLibrary] = field(default_factory=dict)


def write_sbom(
    manifest: Mapping[str, Any], wheels: Sequence[Path], facts: Mapping[str, SbomFacts] | None = None
) -> bytes:
    """Return the bill of materials as JSON.

    Args:
        manifest: The wheelhouse's manifest; its `files` name every component and its sha256.
        wheels: The wheel files, read for licence, links and grafted libraries. A wheel that is
            not among them gets what the manifest says of it, no more.
        facts: What `read_facts` gave of them, by file name; read now when None.
    """
    if facts is None:
        facts = {path.name: read_facts(path) for path in sorted(wheels, key=lambda path: path.name)}
    foreign = not_of_the_index(manifest)
    components = [made for file in _entries(manifest) if (made := _component(file, facts, foreign))]
    root = _root(manifest)
    bom = Bom(
        components=components,
        metadata=_metadata(manifest, root),
        serial_number=_serial(manifest),
        dependencies=[_dependency(root, components), *_dependencies(manifest, facts, components)],
    )
    bom.metadata.timestamp = None  # type: ignore[assignment]  # optional in CycloneDX; the setter's type lags
    return (JsonV1Dot6(bom).output_as_string(indent=2) + "\n").encode()


def _entries(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return sorted(manifest["files"], key=lambda file: str(file["path"]))


def _serial(manifest: Mapping[str, Any]) -> UUID:
    lines = "".join(f"{file['sha256']}  {file['path']}\n" for file in _entries(manifest))
    return uuid5(NAMESPACE_URL, hashlib.sha256(lines.encode()).hexdigest())


def _root(manifest: Mapping[str, Any]) -> Component:
    name = f"{manifest['stack']}-{manifest['platform']}"
    return Component(name=name, type=ComponentType.APPLICATION, bom_ref=f"wheelhouse:{name}")


def _metadata(manifest: Mapping[str, Any], root: Component) -> BomMetaData:
    name, _, version = str(manifest["tool"]).partition(" ")
    tool = Component(name=name, version=version, type=ComponentType.APPLICATION, bom_ref=f"tool:{name}")
    cell = [_property(f"cell:{key}", value) for key, value in manifest["cell"].items()]
    pending = [_property(f"pending:{item['component']}", item["reason"]) for item in manifest["pending"]]
    complete = _property("complete", str(manifest["complete"]).lower())
    return BomMetaData(
        tools=ToolRepository(components=[tool]), component=root, properties=[*cell, *pending, complete]
    )


def _property(name: str, value: object) -> Property:
    return Property(name=f"{_NAMESPACE}:{name}", value=str(value))


def _component(
    file: Mapping[str, Any], facts: Mapping[str, SbomFacts], foreign: frozenset[str]
) -> Component | None:
    if file["path"].endswith(".whl"):
        return _wheel(file, facts.get(Path(file["path"]).name), purl_of(file, foreign))
    if file["kind"] in _OTHERS:
        return _other(file, purl_of(file, foreign))
    return None


def _wheel(file: Mapping[str, Any], facts: SbomFacts | None, purl: PackageURL) -> Component:
    name = canonicalize_name(file["name"])
    metadata: RawMetadata = facts.metadata if facts else {}
    found = facts.licences if facts else []
    images = dict(_of_images(file.get("note") or ""))
    return Component(
        name=name,
        version=file["version"],
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        description=metadata.get("summary"),
        licenses=found,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file["sha256"])],
        external_references=list(_links(metadata)),
        components=[
            _grafted(name, path, digest, facts.origins.get(path) if facts else None, images)
            for path, digest in (facts.grafted if facts else {}).items()
        ],
        properties=list(_properties(file, licensed=bool(found))),
    )


def _other(file: Mapping[str, Any], purl: PackageURL) -> Component:
    return Component(
        name=file["name"],
        version=file["version"] or None,
        type=_OTHERS[file["kind"]],
        bom_ref=f"file:{file['path']}",
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file["sha256"])],
        properties=list(_properties(file, licensed=False)),
    )


def _properties(file: Mapping[str, Any], *, licensed: bool) -> Iterator[Property]:
    yield _property("path", file["path"])
    yield _property("origin", file["origin"])
    if file.get("component"):
        yield _property("component", file["component"])
    if file.get("note"):
        yield _property("note", file["note"])
    if not licensed:
        yield _property("licence", "not declared")


def _of_images(note: str) -> Iterator[tuple[str, list[Property]]]:
    """Yield what a note says of libraries of an image, by the name that auditwheel gives each."""
    for found in _OF_IMAGE.finditer(note):
        stem, _, rest = found["name"].partition(".")
        facts = [_property("image", found["image"]), _property("library-sha256", found["sha256"])]
        yield f"{stem}-{found['sha256'][:8]}.{rest}", facts


def _grafted(
    owner: str,
    path: str,
    digest: str,
    origin: GraftedLibrary | None,
    images: Mapping[str, Sequence[Property]],
) -> Component:
    made = Component(
        name=Path(path).name,
        type=ComponentType.LIBRARY,
        bom_ref=f"{owner}:{path}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    if origin:
        made.version = origin.version
        made.purl = PackageURL.from_string(origin.purl)
        made.licenses = [DisjunctiveLicense(name=licence) for licence in origin.licences]
        made.properties = [_property(name, value) for name, value in origin.facts.items()]
    else:
        made.properties = [*images.get(made.name, ()), _property("licence", "not declared")]
    return made


def _links(metadata: RawMetadata) -> Iterator[ExternalReference]:
    for label, url in metadata.get("project_urls", {}).items():
        kind = _LINKS.get(label.lower())
        if kind and _URL.match(url):
            with suppress(InvalidUriException):  # METADATA may say anything: what no URL is, is left out
                yield ExternalReference(type=kind, url=XsUri(url))


def _dependency(owner: Component, needed: Iterable[Component]) -> Dependency:
    return Dependency(ref=owner.bom_ref, dependencies=[Dependency(ref=one.bom_ref) for one in needed])


def _dependencies(
    manifest: Mapping[str, Any], facts: Mapping[str, SbomFacts], components: Sequence[Component]
) -> Iterator[Dependency]:
    """Yield what each component needs; `Bom.register_dependency` would search all of them for each one."""
    cell = manifest["cell"]
    markers = Target.named(cell["machine"], python=cell.get("python", "")).markers
    by_name = {made.name: made for made in components if _is_wheel(made)}
    for made in components:
        fact = facts.get(_file_name(made))
        wanted = (
            {*_required(fact.metadata, markers, by_name)} if fact and by_name.get(made.name) is made else ()
        )
        yield _dependency(made, [by_name[name] for name in sorted(wanted)])


def _file_name(made: Component) -> str:
    return str(made.purl.qualifiers.get("file_name")) if made.purl else ""


def _is_wheel(made: Component) -> bool:
    return _file_name(made).endswith(".whl")


def _required(metadata: RawMetadata, markers: Mapping[str, str], known: Container[str]) -> Iterator[str]:
    """Yield the known names among a wheel's needs; the lines of all others are not worth parsing."""
    for line in metadata.get("requires_dist", []):
        name = _LEADING_NAME.match(line)
        if name is None or canonicalize_name(name[0]) not in known:
            continue
        try:
            requirement = Requirement(line)
            wanted = requirement.marker is None or requirement.marker.evaluate(dict(markers))
        except ValueError:  # or a marker that cannot be compared
            continue
        if wanted:
            yield canonicalize_name(requirement.name)


class UnreadableWheelError(IntegrityError):
    """A wheel whose RECORD, or whose bill of grafted libraries, cannot be read."""


@shared
def read_facts(path: Path, filename: str = "") -> SbomFacts:
    """Return what the bill says of a wheel.

    Args:
        path: Where its bytes are.
        filename: Its file name, where `path` is not called so, as in the store.

    Raises:
        BadWheelError: It is no wheel.
        UnreadableWheelError: Its RECORD, or its bill of grafted libraries, cannot be read.
    """
    with (
        telling(lambda fault: _unreadable(filename or path.name, fault)),
        WheelFile.open(path, filename=filename) as wheel,
    ):
        metadata = wheel.raw_metadata
        grafted = dict(_grafts(wheel))
        bill = f"{wheel.dist_info}/{BILL}"
        told = list(read_bill(wheel.read(bill))) if bill in wheel else []
    origins = {one.path: one for one in told if one.sha256 == grafted.get(one.path)}
    return SbomFacts(
        metadata=metadata, licences=licences.declared(metadata), grafted=grafted, origins=origins
    )


def _unreadable(filename: str, fault: str) -> UnreadableWheelError:
    return UnreadableWheelError(
        f"{filename}: its RECORD, or its bill of grafted libraries, cannot be read: {fault}.",
        why="It was built wrongly, or is damaged.",
        next_step=f"take another version than {filename}, or tell the project",
    )


def _grafts(wheel: WheelFile) -> Iterator[tuple[str, str]]:
    """Yield grafted libraries with their sha256: as RECORD states it, or of the bytes where it has another digest."""
    record = wheel.read(f"{wheel.dist_info}/RECORD").decode()
    members = {member.name: member for member in wheel.members}
    for path, digest, _ in csv.reader(io.StringIO(record)):
        if not path.split("/")[0].endswith(".libs"):
            continue
        if digest.startswith("sha256="):
            raw = digest.removeprefix("sha256=")
            yield path, base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)).hex()
        elif path in members:
            found = hashlib.sha256()
            for piece in wheel.chunks(members[path]):
                found.update(piece)
            yield path, found.hexdigest()
