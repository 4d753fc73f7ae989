"""Writes a bundle: members into the one layout of `node.layout`, streamed, hashed on the way, resumable.

Since the layout is fixed, what a killed run left behind needs no journal: its bytes are compared with those
that must be there, member by member, and writing goes on behind the last sound one. Memory is
two buffers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from ascend_wheelhouse.base import full_disk
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobProgress, JobStarted
from ascend_wheelhouse.bundle.parts import PartWriter
from ascend_wheelhouse.node import layout
from ascend_wheelhouse.node.reading.sources import Region

CHUNK = 1 << 20
Buffers = Iterator[memoryview]


class WheelhouseChangedError(IntegrityError):
    """A file of the wheelhouse is not the one that its manifest names."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is not the file that manifest.json names.",
            why="It was changed, cut short or removed after the wheelhouse was assembled.",
            next_step="`invoke wheelhouse --check {cell}` says what to do, then bundle; for a folder that is not below "
            "`wheelhouse/`, add --output with the folder that it is in",
        )


@dataclass(frozen=True, kw_only=True)
class BundleMember:
    """One file to pack: `content` is its bytes, or where it lies (a file, or a stretch of another bundle)."""

    path: str
    size: int
    sha256: str
    content: bytes | Path | Region

    @classmethod
    def small(cls, path: str, content: bytes) -> BundleMember:
        """Return a member made of bytes at hand."""
        return cls(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest(), content=content)

    @property
    def packed(self) -> int:
        """How many bytes of the bundle it takes."""
        return len(layout.header(self.path, self.size)) + self.size + layout.padding(self.size)


def write_members(members: Iterable[BundleMember], writer: PartWriter, emit: Emit) -> list[Path]:
    """Write members and the end of the bundle, going on where an earlier run stopped; return its files.

    Raises:
        WheelhouseChangedError: A file does not have the size or digest that its member states.
        BundleLostError: The file system lost what was written.
    """
    listed = list(members)
    total = sum(member.packed for member in listed) + len(layout.TRAILER)
    emit(JobStarted(job="bundle", action="pack", total=total))
    start = _sound_members(listed, writer)
    buffers = new_buffers()
    with ThreadPoolExecutor(max_workers=1) as hasher, full_disk.naming(writer.path):
        for member in listed[start:]:
            _write_member(member, writer, hasher, buffers)
            emit(JobProgress(job="bundle", done=writer.position, line=member.path))
        writer.write(layout.TRAILER)
    emit(JobProgress(job="bundle", done=writer.position, line="waiting for the medium"))
    paths = writer.finish()
    detail = f"went on behind {start} of {len(listed)} members" if start else ""
    emit(JobFinished(job="bundle", outcome="done", detail=detail))
    return paths


def _sound_members(members: list[BundleMember], writer: PartWriter) -> int:
    """Return how many members an earlier run left in good order; what follows them is cut off."""
    position = 0
    for count, member in enumerate(members):
        if position + member.packed > writer.size or not _is_there(member, writer, position):
            writer.truncate(position)
            return count
        position += member.packed
    writer.truncate(position)
    return len(members)


def _is_there(member: BundleMember, writer: PartWriter, position: int) -> bool:
    head = layout.header(member.path, member.size)
    if writer.read(position, len(head)) != head:
        return False
    digest, start = hashlib.sha256(), position + len(head)
    for offset in range(0, member.size, CHUNK):
        digest.update(writer.read(start + offset, min(CHUNK, member.size - offset)))
    tail = layout.padding(member.size)
    return digest.hexdigest() == member.sha256 and writer.read(start + member.size, tail) == bytes(tail)


def _write_member(
    member: BundleMember, writer: PartWriter, hasher: ThreadPoolExecutor, buffers: Buffers
) -> None:
    """Write one member; pieces of a large one are hashed by another thread while the next is read."""
    writer.write(layout.header(member.path, member.size))
    digest, done = hashlib.sha256(), 0
    before: Future[None] | None = None
    for chunk in chunks(member, buffers):
        if member.size > CHUNK:
            hashing = hasher.submit(digest.update, chunk)
            writer.write(chunk)
            _await(before)
            before = hashing
        else:
            digest.update(chunk)
            writer.write(chunk)
        done += len(chunk)
    _await(before)
    if (done, digest.hexdigest()) != (member.size, member.sha256):
        raise WheelhouseChangedError(member.path)
    writer.write(bytes(layout.padding(member.size)))


def _await(hashing: Future[None] | None) -> None:
    if hashing:
        hashing.result()


def new_buffers() -> Buffers:
    """Return two buffers that take turns; larger ones were measured to be slower, fresh ones a page fault each."""
    return cycle([memoryview(bytearray(CHUNK)) for _ in range(2)])


def chunks(member: BundleMember, buffers: Buffers) -> Iterator[memoryview]:
    """Yield the content of a member, and at most one byte more than it should have.

    A piece is valid until the next but one is asked for.
    """
    if isinstance(member.content, bytes):
        yield memoryview(member.content)
    elif isinstance(member.content, Region):
        yield from member.content.chunks(2)
    else:
        yield from _file_chunks(member.content, member.size + 1, buffers)


def _file_chunks(path: Path, limit: int, buffers: Buffers) -> Iterator[memoryview]:
    try:
        with path.open("rb", buffering=0) as stream:
            while limit and (count := stream.readinto((view := next(buffers))[:limit])):
                yield view[:count]
                limit -= count
    except FileNotFoundError:
        return
