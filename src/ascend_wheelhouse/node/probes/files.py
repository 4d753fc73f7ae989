"""The files on disk are the files of the wheels: each has one owner, its size and its hash.

This sees what `pip check` cannot: triton written over triton-ascend, a shared object cut short, a file
removed, a RECORD that tells of none. Where an install kept a receipt, each RECORD must be the one of then: another
build of the same version, installed later, brings files and a RECORD that fit each other.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import Distribution
from pathlib import Path
from typing import NamedTuple

from .api import Context, Outcome, ProbeFailedError, distributions

_SHOWN = 6


class _Entry(NamedTuple):
    owner: str
    path: str
    digest: str
    size: str


def run(context: Context) -> Outcome:
    """Check every RECORD of the environment against the disk."""
    root = Path(context.option("site_packages"))
    records = {name: list(_record(name, found)) for name, found in distributions(str(root)).items()}
    entries = [entry for record in records.values() for entry in record]
    if not entries:
        raise ProbeFailedError(f"{root.name} holds no installed distribution")
    blank = [f"{name} has no RECORD, or an empty one" for name, record in records.items() if not record]
    problems = [*blank, *_replaced(context), *_shared(entries), *_changed(root, entries)]
    if problems:
        more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
        raise ProbeFailedError("; ".join(problems[:_SHOWN]) + more, figures={"problems": problems})
    size = sum(int(entry.size or 0) for entry in entries)
    return Outcome(
        evidence=f"{len(entries)} files match their wheels' records",
        figures={"files": len(entries), "mib": size >> 20},
    )


def _replaced(context: Context) -> Iterator[str]:
    """Tell the distributions whose RECORD is another one than the receipt's; one that is gone is told by `versions`."""
    environment = Path(context.option("site_packages")).parents[2]
    for path, digest in sorted(context.options.get("records", {}).items()):
        record = environment / path
        if record.is_file() and hashlib.sha256(record.read_bytes()).hexdigest() != digest:
            name = record.parent.name.removesuffix(".dist-info")
            yield f"{name} was replaced after the install: its RECORD is not the receipt's"


def _record(owner: str, found: Distribution) -> Iterator[_Entry]:
    for row in csv.reader(io.StringIO(found.read_text("RECORD") or "")):
        if len(row) == len(_Entry._fields) - 1 and not row[0].endswith(".pyc"):
            yield _Entry(owner, *row)


def _shared(entries: list[_Entry]) -> list[str]:
    owners: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        owners[entry.path].add(entry.owner)
    pairs: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, names in owners.items():
        if len(names) > 1:
            pairs[tuple(sorted(names))].append(path)
    return [
        f"{' and '.join(names)} both own {len(paths)} files, such as {min(paths)}"
        for names, paths in sorted(pairs.items())
    ]


def _changed(root: Path, entries: list[_Entry]) -> list[str]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(lambda entry: _problem(root, entry), entries)
    return sorted(filter(None, found))


def _problem(root: Path, entry: _Entry) -> str:
    path = root / entry.path
    try:
        size = path.stat().st_size
    except OSError:
        return f"{entry.owner}: {entry.path} is missing"
    if entry.size and size != int(entry.size):
        return f"{entry.owner}: {entry.path} has {size} bytes, its wheel's has {entry.size}"
    kind, _, wanted = entry.digest.partition("=")
    if wanted:
        with path.open("rb") as stream:
            raw = hashlib.file_digest(stream, kind).digest()
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != wanted:
            return f"{entry.owner}: {entry.path} differs from its wheel's"
    return ""
