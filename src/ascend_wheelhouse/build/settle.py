"""What runs right before ninja and make in a kept tree: a file written again with equal bytes gets its time back.

Generators write all that they make on every run, and both tools judge by times alone. What each file held, and when it
was written, is noted at every start of theirs. So a file has an earlier time only together with the bytes that stood
there when they last looked. What they make themselves is left alone. Standard library only; the file is copied into
the sandbox.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

OBJECT_TREE = frozenset({"CMakeCache.txt", ".ninja_log"})
"""Files that cmake and ninja leave in the folder of their objects."""
LOG = ".ninja_log"
_COLUMNS = 5

Row = tuple[int, int, str]
"""Size, time in nanoseconds, and sha256 of a file."""


def made_by_ninja(log: Path) -> Iterator[Path]:
    """Yield the files that a log of ninja names as made."""
    for line in log.read_text("utf-8", "surrogateescape").splitlines()[1:]:
        columns = line.split("\t")
        if len(columns) >= _COLUMNS:
            yield Path(os.path.normpath(log.parent / columns[3]))


def files_of(top: Path) -> dict[str, os.stat_result]:
    """Return the files below a folder but git's and those that cmake, ninja and make keep for themselves."""
    found: dict[str, os.stat_result] = {}
    ninjas: set[str] = set()
    folders = [str(top)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            inside = list(entries)
        if names := OBJECT_TREE & {entry.name for entry in inside}:
            if LOG in names:
                ninjas.update(map(str, made_by_ninja(Path(inside[0].path).with_name(LOG))))
            continue
        for entry in inside:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != ".git":
                    folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                found[entry.path] = entry.stat(follow_symlinks=False)
    return {path: status for path, status in found.items() if path not in ninjas}


def settled(path: str, status: os.stat_result, before: Row | None) -> Row:
    """Return what is noted of a file, its time put back where its bytes are those of before."""
    if before and (status.st_size, status.st_mtime_ns) == before[:2]:
        return before
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if before is None or before[2] != digest:
        return status.st_size, status.st_mtime_ns, digest
    os.utime(path, ns=(status.st_atime_ns, before[1]))
    return before


def settle(top: Path, record: Path) -> None:
    """Settle the files below a folder by what was noted of them, and note what they are now."""
    known: dict[str, Row] = {}
    if record.is_file():
        known = {path: (row[0], row[1], row[2]) for path, row in json.loads(record.read_bytes()).items()}
    now = {path: settled(path, status, known.get(path)) for path, status in files_of(top).items()}
    if now != known:
        beside = record.with_name(f"{record.name}.new")
        beside.write_text(json.dumps(known | now), "utf-8")
        beside.replace(record)


if __name__ == "__main__":
    settle(Path(sys.argv[1]), Path(sys.argv[2]))
