"""Re-hashing a finished wheelhouse against its `SHA256SUMS`, on every core."""

from __future__ import annotations

import hashlib
import os
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ascend_wheelhouse.base import counting
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Stage
from ascend_wheelhouse.folder.assemble import SUMS
from ascend_wheelhouse.node import documents


class SumsMismatchError(IntegrityError):
    """Files of a wheelhouse are not what its `SHA256SUMS` says; the text lists each."""


def check_sums(folder: Path, emit: Emit) -> int:
    """Hash every file of a wheelhouse and return how many there are.

    Raises:
        SumsMismatchError: A file is missing, changed, or not listed.
    """
    expected = _expected(folder / SUMS)
    emit(Stage(name="hash", jobs=len(expected)))
    biggest_first = sorted(expected, key=lambda name: -_size(folder / name))
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="hash") as pool:
        digests = dict(
            zip(biggest_first, pool.map(lambda name: _digest(folder, name, emit), biggest_first), strict=True)
        )
    faults = [
        f"{name}: {found or 'missing'}, expected {expected[name]}"
        for name, found in sorted(digests.items())
        if found != expected[name]
    ]
    faults += [
        f"{name}: not listed in {SUMS}" for name in sorted(_present(folder) - expected.keys() - {SUMS})
    ]
    if faults:
        raise SumsMismatchError(
            f"{folder.name}: {counting.with_verb(len(faults), 'file')} not what {SUMS} says:\n"
            + "\n".join(faults),
            why="A file was changed, removed or added after the wheelhouse was finished.",
            next_step=_again(folder),
        )
    return len(expected)


def _expected(sums: Path) -> dict[str, str]:
    try:
        rows = [line.partition("  ") for line in documents.bytes_of(sums).decode().split("\n") if line]
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_sums(sums, str(error)) from error
    expected = {name: digest for digest, _, name in rows}
    for digest, _, name in rows:
        if not documents.sha256(digest) or not documents.path(name):
            raise _bad_sums(sums, f"{f'{digest}  {name}'[:80]!r} is no line of it")
    if len(expected) < len(rows):
        raise _bad_sums(sums, "it names a file twice")
    return expected


def _bad_sums(sums: Path, fault: str) -> SumsMismatchError:
    return SumsMismatchError(
        f"{sums} cannot be read: {fault}.",
        why="It was changed after the wheelhouse was finished.",
        next_step=_again(sums.parent),
    )


def _again(folder: Path) -> str:
    return f"rm -r {shlex.quote(str(folder))}, then the same command again: it is laid out from the store"


def _present(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest(folder: Path, name: str, emit: Emit) -> str:
    path = folder / name
    emit(JobStarted(job=name, action="hash", total=_size(path)))
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        digest = ""
    emit(JobFinished(job=name, outcome="done" if digest else "failed"))
    return digest
