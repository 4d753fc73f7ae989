"""How much a cache holds, and what of it may go: mark what is in use, then sweep, with a time of grace.

Nobody is locked out meanwhile. A writer has its files there before the entry that names them, and has an old file that
it finds there count as new; nothing younger than the grace goes, told by the place's own clock; and what is to go is
looked at again right before it does. What a reader finds gone all the same is a miss to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.shared_cache import entries
from ascend_wheelhouse.shared_cache.entries import ResultEntry
from ascend_wheelhouse.shared_cache.remote import Remote, Stored, UnavailableError
from ascend_wheelhouse.shared_cache.site import BLOBS, GRACE_SECONDS

CLOCK = "prune.json"
_AT_ONCE = 8
_LOT = 250


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """What a cache holds; bytes."""

    files: int
    file_bytes: int
    results: int


@dataclass(frozen=True, kw_only=True)
class InUse:
    """What locks name.

    Args:
        digests: Files.
        keys: Keys of results, such as `git-COMMIT`.
        builds: Component and digest of the source of each build.
    """

    digests: Collection[str] = frozenset()
    keys: Collection[str] = frozenset()
    builds: Collection[tuple[str, str]] = frozenset()

    def names(self, entry: ResultEntry) -> bool:
        """Tell whether a lock names what an entry is of."""
        build = (entry.about.get("component", ""), entry.about.get("source", ""))
        return entry.key in self.keys or build in self.builds


@dataclass(frozen=True, kw_only=True)
class Retention:
    """What stays beside what locks name: whatever is younger, as far as it fits.

    Args:
        seconds: How long; never less than the grace.
        most_bytes: The oldest goes until the files take no more; no bound when None.
    """

    seconds: float
    most_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What was removed; bytes."""

    files: int
    file_bytes: int
    results: int


@dataclass(kw_only=True)
class _Marked:
    """A result that was listed, and what it says: None where nobody can read it."""

    stored: Stored
    entry: ResultEntry | None


@dataclass(kw_only=True)
class _Plan:
    results: list[_Marked]
    blobs: dict[str, Stored]
    in_use: InUse
    now: float
    gone: list[_Marked] = field(default_factory=list)
    doomed: dict[str, Stored] = field(default_factory=dict)

    def age(self, stored: Stored) -> float:
        return self.now - stored.modified

    def named(self, one: _Marked) -> bool:
        return one.entry is not None and self.in_use.names(one.entry)


def holdings(remote: Remote) -> Holdings:
    """Count what a cache holds."""
    sizes = [one.size for one in remote.listing(BLOBS)]
    results = sum(1 for _ in remote.listing(entries.FOLDER))
    return Holdings(files=len(sizes), file_bytes=sum(sizes), results=results)


def prune(remote: Remote, retention: Retention, in_use: InUse) -> Removed:
    """Remove what is neither in use nor young, and return what that was."""
    now = _time_there(remote)
    remote.drop_unfinished(now - GRACE_SECONDS)
    blobs = {one.name.rpartition("/")[2]: one for one in remote.listing(BLOBS)}
    plan = _Plan(results=_marked(remote), blobs=blobs, in_use=in_use, now=now)
    _choose(plan, retention)
    results = {one.name for one in _swept(remote, entries.FOLDER, [one.stored for one in plan.gone])}
    spared = [one.entry for one in plan.gone if one.entry and one.stored.name not in results]
    for file in (file for entry in spared for file in entry.files):
        plan.doomed.pop(file.sha256, None)
    removed = list(_swept(remote, BLOBS, plan.doomed.values()))
    return Removed(files=len(removed), file_bytes=sum(one.size for one in removed), results=len(results))


def _time_there(remote: Remote) -> float:
    """Return the place's own time: that of an object written now."""
    remote.write(CLOCK, b"{}\n", replace=True)
    written = remote.stat(CLOCK)
    if written is None:
        raise UnavailableError("what was written there just now is gone")
    return written.modified


def _marked(remote: Remote) -> list[_Marked]:
    def read(stored: Stored) -> _Marked:
        try:
            return _Marked(stored=stored, entry=entries.unproven(remote.read(stored.name) or b""))
        except entries.BadEntryError:
            return _Marked(stored=stored, entry=None)

    with asking(_AT_ONCE, "mark") as pool:
        return list(pool.map(read, remote.listing(entries.FOLDER)))


def _choose(plan: _Plan, retention: Retention) -> None:
    """Decide what goes: by age, then by size, the oldest first."""
    least = max(retention.seconds, GRACE_SECONDS)
    kept: list[_Marked] = []
    for one in plan.results:
        goes = not plan.named(one) and plan.age(one.stored) >= least
        (plan.gone if goes else kept).append(one)
    references = Counter(file.sha256 for one in kept if one.entry for file in one.entry.files)
    held = {*plan.in_use.digests, *references}
    plan.doomed = {
        sha256: one for sha256, one in plan.blobs.items() if sha256 not in held and plan.age(one) >= least
    }
    if retention.most_bytes is not None:
        _fit(plan, kept, references, retention.most_bytes)


def _fit(plan: _Plan, kept: list[_Marked], references: Counter[str], most_bytes: int) -> None:
    left = sum(one.size for sha256, one in plan.blobs.items() if sha256 not in plan.doomed)
    loose = [
        one for sha256, one in plan.blobs.items() if not references[sha256] and sha256 not in plan.doomed
    ]
    queue: list[tuple[float, _Marked | Stored]] = [(one.stored.modified, one) for one in kept]
    queue += [(one.modified, one) for one in loose]
    for modified, one in sorted(queue, key=lambda pair: pair[0]):
        if left <= most_bytes or plan.now - modified < GRACE_SECONDS:
            return
        files = [one.name.rpartition("/")[2]] if isinstance(one, Stored) else []
        if isinstance(one, _Marked):
            if plan.named(one):
                continue
            plan.gone.append(one)
            files = [file.sha256 for file in one.entry.files] if one.entry else []
            references.subtract(files)
        for sha256 in files:
            stored = plan.blobs.get(sha256)
            free = references[sha256] <= 0 and sha256 not in plan.in_use.digests and sha256 not in plan.doomed
            if stored and free and plan.age(stored) >= GRACE_SECONDS:
                plan.doomed[sha256] = stored
                left -= stored.size


def _swept(remote: Remote, folder: str, chosen: Iterable[Stored]) -> Iterator[Stored]:
    """Remove what was chosen below a folder, that alone which nobody has made new since it was marked; yield it.

    It is listed once more for that, and removed in small lots as the listing goes on.
    """
    marked = {one.name: one.modified for one in chosen}
    lot: list[Stored] = []
    for one in remote.listing(folder) if marked else ():
        if one.modified <= marked.get(one.name, float("-inf")):
            lot.append(one)
        if len(lot) == _LOT:
            remote.remove([stored.name for stored in lot])
            yield from lot
            lot.clear()
    remote.remove([stored.name for stored in lot])
    yield from lot
