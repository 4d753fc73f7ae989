"""Check: the four descriptions that a wheel has of itself agree: file name, METADATA, WHEEL and RECORD.

Every hash and size in RECORD is verified against the bytes, which pip and uv never do. This is the part of
the `metadata` check that needs one wheel only; `metadata.py` holds the part that needs the whole set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.metadata import InvalidMetadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from ascend_wheelhouse.audit.report import Finding, Severity
from ascend_wheelhouse.wheels.wheel import BadWheelError, RecordRow, WheelFile, canonical_dist_info

ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})
_UNHASHED = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""Files of `.dist-info` that RECORD need not name or hash."""
_REBUILD = "fetch the wheel again; if it stays so, report it to its maker and build it from source"


class Digested(NamedTuple):
    """What streaming a member gave: its size, its sha256 and the digest in RECORD's algorithm."""

    size: int
    sha256: str
    stated: str


def description_findings(wheel: WheelFile) -> Iterator[Finding]:
    """Yield where file name, `.dist-info`, METADATA and WHEEL contradict each other."""
    for part in (_folder, _metadata, _demands, _wheel_file):
        try:
            yield from part(wheel)
        except (BadWheelError, InvalidMetadata, ValueError) as error:
            yield finding(wheel.filename, "unreadable", str(error).split("\n\n")[0])


def _folder(wheel: WheelFile) -> Iterator[Finding]:
    name, version = canonical_dist_info(wheel.dist_info)
    if (name, Version(version)) != (wheel.name, wheel.version):
        yield finding(
            wheel.filename,
            "dist-info-name",
            "the .dist-info folder is of another distribution or version than the file name",
            member=wheel.dist_info,
        )


def _metadata(wheel: WheelFile) -> Iterator[Finding]:
    member = f"{wheel.dist_info}/METADATA"
    metadata = wheel.metadata
    if canonicalize_name(metadata.name) != wheel.name:
        text = "METADATA names another distribution than the file name"
        yield finding(wheel.filename, "metadata-name", text, member=member, evidence=metadata.name)
    if metadata.version != wheel.version:
        text = "METADATA states another version than the file name"
        yield finding(wheel.filename, "metadata-version", text, member=member, evidence=str(metadata.version))


def _demands(wheel: WheelFile) -> Iterator[Finding]:
    """Yield what it asks of others and of Python in words that cannot be read: nobody can tell whether that is met."""
    unread = {name: tuple(wheel.unread_fields.get(name, ())) for name in ("requires-dist", "requires-python")}
    raw = wheel.raw_metadata
    for text in (*raw.get("requires_dist", ()), *unread["requires-dist"]):
        if unread["requires-dist"] or not _is_read(Requirement, text):
            yield _unread(wheel, "Requires-Dist", text, "error")
    stated = raw.get("requires_python", "")
    for text in (*unread["requires-python"], *([] if _is_read(SpecifierSet, stated) else [stated])):
        yield _unread(wheel, "Requires-Python", text, "warning")


def _is_read(form: Callable[[str], object], text: str) -> bool:
    try:
        form(text)
    except ValueError:
        return False
    return True


def _unread(wheel: WheelFile, field: str, text: str, severity: Severity) -> Finding:
    member = f"{wheel.dist_info}/METADATA"
    message = f"{field} of METADATA cannot be read: whether it is met is not known"
    repair = f"take another release of {wheel.name}, or build it from a source that is put right"
    if severity == "warning":
        repair = "nothing, where the wheel works with this Python: pip passes the line over"
    return finding(
        wheel.filename, "unread-field", message, severity, member=member, evidence=text, repair=repair
    )


def _wheel_file(wheel: WheelFile) -> Iterator[Finding]:
    member = f"{wheel.dist_info}/WHEEL"
    headers = wheel.wheel_headers
    stated = {str(tag) for text in headers.get("tag", ()) for tag in parse_tag(text)}
    if stated != (named := {str(tag) for tag in wheel.tags}):
        evidence = ", ".join(sorted(stated ^ named))
        text = "the tags in WHEEL are not those of the file name"
        repair = "installers go by the file name: nothing, unless one refuses it; its maker can correct WHEEL"
        yield finding(
            wheel.filename, "wheel-tags", text, "warning", member=member, evidence=evidence, repair=repair
        )
    version = headers.get("wheel-version", ("",))[0]
    if version.partition(".")[0] != "1":
        text = "WHEEL states a version of the format that installers refuse"
        yield finding(wheel.filename, "wheel-version", text, member=member, evidence=version or "none")


def record_findings(
    wheel: WheelFile, rows: Sequence[RecordRow], digests: Mapping[str, Digested]
) -> Iterator[Finding]:
    """Yield every member that RECORD does not describe as it is, and every row without a member.

    Args:
        wheel: The wheel.
        rows: Its RECORD.
        digests: What streaming each member gave.
    """
    by_path = {row.path: row for row in rows}
    unhashed = {f"{wheel.dist_info}/{name}" for name in _UNHASHED}
    for path, count in Counter(row.path for row in rows).items():
        if count > 1:
            yield finding(wheel.filename, "record-repeats", "RECORD names this path twice", member=path)
    for path in by_path.keys() - digests.keys():
        if path not in unhashed:
            yield finding(
                wheel.filename, "record-absent", "RECORD names a file that is not there", member=path
            )
    for path, digested in digests.items():
        row = by_path.get(path)
        if row is not None:
            yield from _row_findings(wheel, row, digested, unhashed)
        elif path not in unhashed:
            yield finding(wheel.filename, "record-missing", "RECORD does not name this member", member=path)


def _row_findings(
    wheel: WheelFile, row: RecordRow, digested: Digested, unhashed: Container[str]
) -> Iterator[Finding]:
    if not row.digest:
        if row.path not in unhashed:
            yield finding(wheel.filename, "record-unhashed", "RECORD has no hash of it", member=row.path)
        return
    if row.algorithm not in ALGORITHMS:
        text = "RECORD uses a hash that the specification forbids"
        yield finding(wheel.filename, "record-algorithm", text, member=row.path, evidence=row.algorithm)
    elif row.digest != digested.stated:
        evidence = f"RECORD {row.digest[:16]}..., content {digested.stated[:16]}..."
        yield finding(
            wheel.filename,
            "record-hash",
            "the bytes are not those of RECORD's hash",
            member=row.path,
            evidence=evidence,
        )
    elif row.size is not None and row.size != digested.size:
        evidence = f"RECORD {row.size}, content {digested.size}"
        yield finding(
            wheel.filename, "record-size", "the size is not RECORD's", member=row.path, evidence=evidence
        )


def finding(
    wheel: str,
    rule: str,
    message: str,
    severity: Severity = "error",
    *,
    member: str = "",
    evidence: str = "",
    repair: str = _REBUILD,
    item: str = "",
) -> Finding:
    """Return a finding of the `metadata` check."""
    return Finding(
        check="metadata",
        rule=rule,
        severity=severity,
        wheel=wheel,
        member=member,
        message=message,
        evidence=evidence,
        repair=repair,
        item=item,
    )
