"""What is read out of source archives, kept by their digest: a pass over a large one takes most of a second."""

from __future__ import annotations

import base64
import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ascend_wheelhouse.base import pyproject
from ascend_wheelhouse.base.archives import telling
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.build.job import Archive
from ascend_wheelhouse.build.source_tree import archive_epoch
from ascend_wheelhouse.store.store import Store

_LARGEST = 4 << 20
_EPOCH = {"epoch": int}


def _base64(value: object) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except ValueError:
        return False


_TEXTS = {"texts": {...: _base64}}


@contextmanager
def _undamaged(store: Store, sha256: str) -> Iterator[None]:
    """Tell of what cannot be read and was damaged in the store as that: it is removed, and then fetched again."""
    try:
        yield
    except IntegrityError:
        store.check(sha256)
        raise


def epoch_of(store: Store, sha256: str) -> int:
    """Return the time of the newest file of an archive in the store, seconds since 1970; see `archive_epoch`."""
    key = f"archive-epoch-{sha256}"
    if (known := store.result(key, _EPOCH)) is not None:
        return int(known["epoch"])
    with _undamaged(store, sha256):
        epoch = archive_epoch(store.path(sha256))
    store.put_result(key, {"epoch": epoch})
    return epoch


def members(tree: Archive, store: Store, paths: Sequence[str]) -> dict[str, bytes]:
    """Return the bytes of each path below the top folder of a source distribution that is a file there.

    Raises:
        BadProjectFileError: The archive cannot be read, or such a file is longer than 4 MiB.
        DamagedBlobError: It was damaged in the store.
    """
    asked = hashlib.sha256("\0".join(sorted(set(paths))).encode()).hexdigest()
    key = f"archive-texts-{tree.sha256}-{asked}"
    if (known := store.result(key, _TEXTS)) is not None:
        return {path: base64.b64decode(text) for path, text in known["texts"].items()}
    with _undamaged(store, tree.sha256):
        found = _read(tree, store, paths)
    texts = {path: base64.b64encode(data).decode() for path, data in found.items()}
    store.put_result(key, {"texts": texts})
    return found


def _read(tree: Archive, store: Store, paths: Sequence[str]) -> dict[str, bytes]:
    texts = {}
    told = telling(lambda fault: pyproject.bad(tree.filename, fault))
    with told, tarfile.open(store.path(tree.sha256)) as opened:
        for member in opened:
            path = member.name.partition("/")[2]
            if path in paths and member.isfile() and (stream := opened.extractfile(member)):
                if member.size > _LARGEST:
                    raise pyproject.bad(tree.filename, f"{path} has {member.size} bytes")
                texts[path] = stream.read()
    return texts
