"""Whether a source archive that a person gives is whole: else a build would say so, where no other may be had."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path, PurePosixPath

from ascend_wheelhouse.base.archives import telling
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.wheels.wheel import CHUNK


class DamagedSourceError(IntegrityError):
    """A source archive is cut short, or holds no project folder."""


def require_whole(path: Path) -> None:
    """Read a source archive to its end; it must hold one folder.

    Raises:
        DamagedSourceError: It cannot be read, or holds something else.
    """
    tops: set[str] = set()
    files = 0
    with (
        telling(lambda fault: _damaged(path, f"cannot be read to its end: {fault}")),
        gzip.open(path) as stream,
    ):
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                tops |= set(PurePosixPath(member.name).parts[:1])
                files += len(PurePosixPath(member.name).parts) > 1
        while stream.read(CHUNK):
            pass
    if len(tops) != 1 or not files:
        raise _damaged(path, f"holds {len(tops)} entries at its top, and a source archive has one folder")


def _damaged(path: Path, fault: str) -> DamagedSourceError:
    return DamagedSourceError(
        f"{path.name} {fault}.",
        why="The download was cut short, or it is another file under this name.",
        next_step="download it again and compare its sha256 with the publisher's",
    )
