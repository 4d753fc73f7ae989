"""What runs right before ninja and make in a kept tree: a file written again with equal bytes gets its time back.

Generators write all that they make on every run, and both tools judge by times alone. What each file held, and when it
was written, is noted at every start of theirs. So a file has an earlier time only together with the bytes that stood
there when they last looked. What they make themselves is left alone. Standard library only; the file is copied into
the sandbox.
"""
# This starts before every ninja, and reading pathlib takes longer than settling most trees.
# ruff: noqa: PTH105, PTH113, PTH118, PTH120, PTH123

import hashlib
import json
import os
import sys

TYPE_CHECKING = False  # as above: typing is not read for it
if TYPE_CHECKING:
    from collections.abc import Iterator

OBJECT_TREE = frozenset({"CMakeCache.txt", ".ninja_log"})
"""Files that cmake and ninja leave in the folder of their objects."""
LOG = ".ninja_log"
_COLUMNS = 5
_SMALL = 1 << 20

Row = tuple[int, int, str]
"""Size, time in nanoseconds, and sha256 of a file."""


def made_by_ninja(log: str) -> "Iterator[str]":
    """Yield the paths of the files that a log of ninja names as made."""
    with open(log, encoding="utf-8", errors="surrogateescape") as file:
        lines = file.read().splitlines()[1:]
    for line in lines:
        columns = line.split("\t")
        if len(columns) >= _COLUMNS:
            yield os.path.normpath(os.path.join(os.path.dirname(log), columns[3]))


def files_of(top: str) -> dict[str, os.stat_result]:
    """Return the files below a folder but git's and those that cmake, ninja and make keep for themselves."""
    found: dict[str, os.stat_result] = {}
    ninjas: set[str] = set()
    folders = [top]
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as entries:
            inside = list(entries)
        if names := OBJECT_TREE & {entry.name for entry in inside}:
            if LOG in names:
                ninjas.update(made_by_ninja(os.path.join(folder, LOG)))
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
    with open(path, "rb", buffering=0) as file:
        if status.st_size < _SMALL:  # a third of the time, for thousands of generated files
            digest = hashlib.sha256(file.read()).hexdigest()
        else:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    if before is None or before[2] != digest:
        return status.st_size, status.st_mtime_ns, digest
    os.utime(path, ns=(status.st_atime_ns, before[1]))
    return before


def settle(top: str, record: str) -> None:
    """Settle the files below a folder by what was noted of them, and note what they are now."""
    known: dict[str, Row] = {}
    if os.path.isfile(record):
        with open(record, "rb") as file:
            known = {path: (row[0], row[1], row[2]) for path, row in json.load(file).items()}
    now = {path: settled(path, status, known.get(path)) for path, status in files_of(top).items()}
    if now != known:
        with open(f"{record}.new", "w", encoding="utf-8") as file:
            json.dump(known | now, file)
        os.replace(f"{record}.new", record)


if __name__ == "__main__":
    settle(sys.argv[1], sys.argv[2])
