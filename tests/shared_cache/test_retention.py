"""What is removed from a shared cache, and what never is: what a lock names, and what somebody is just publishing."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cache_places import s3_server
from site_run import KEY, MakeSite, pull, push

from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.shared_cache import entries, retention
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.folder_remote import FolderRemote
from ascend_wheelhouse.shared_cache.opening import reach
from ascend_wheelhouse.shared_cache.remote import Remote, Stored
from ascend_wheelhouse.shared_cache.retention import InUse, Retention, holdings, prune
from ascend_wheelhouse.shared_cache.site import blob

pytest_plugins = ["cache_fixtures"]
DAY = 86_400.0
MONTH = Retention(seconds=30 * DAY)
ABOUT = {"component": "torch-npu", "source": "5" * 64}


@dataclass
class Cache:
    """A cache in a folder whose objects can be made old."""

    root: Path
    site: MakeSite

    @property
    def url(self) -> str:
        """Where it is."""
        return f"file://{self.root}"

    @property
    def remote(self) -> Remote:
        """The place itself."""
        return reach(Address.of(self.url), Http(mirrors=Mirrors()))

    def push(self, key: str, content: bytes, *, days: float = 0, about: dict[str, str] | None = None) -> str:
        """Push a result, some days ago."""
        sha256 = push(self.site("maker", self.url, pushes=True), key, content, about)
        for path in (self.root / blob(sha256), *self.root.glob("results/*/*.json")):
            if path.stat().st_mtime > time.time() - DAY:
                os.utime(path, (time.time() - days * DAY,) * 2)
        return sha256

    def has(self, sha256: str) -> bool:
        """Tell whether a file is there."""
        return (self.root / blob(sha256)).exists()


@pytest.fixture
def cache(tmp_path: Path, site: MakeSite) -> Cache:
    return Cache(tmp_path / "cache", site)


def test_what_is_old_and_not_named_goes_with_its_files(cache: Cache) -> None:
    old, young = cache.push("build-1", b"old", days=40), cache.push("build-2", b"young", days=20)
    removed = prune(cache.remote, MONTH, InUse())
    assert (removed.files, removed.file_bytes, removed.results) == (1, 3, 1)
    assert (cache.has(old), cache.has(young)) == (False, True)


@pytest.mark.parametrize(
    "named",
    [
        InUse(builds=frozenset({("torch-npu", "5" * 64)})),
        InUse(keys=frozenset({"build-1"})),
    ],
    ids=["source", "key"],
)
def test_what_a_lock_names_stays_however_old_and_large(cache: Cache, named: InUse) -> None:
    kept = cache.push("build-1", b"old", days=400, about=ABOUT)
    removed = prune(cache.remote, Retention(seconds=0, most_bytes=0), named)
    assert (removed.files, removed.results) == (0, 0)
    assert cache.has(kept)
    assert pull(cache.site("user", cache.url), "build-1") == b"old"


def test_a_file_that_a_lock_names_stays_although_no_result_does(cache: Cache) -> None:
    kept = cache.push("build-1", b"old", days=400)
    prune(cache.remote, MONTH, InUse(digests=frozenset({kept})))
    assert cache.has(kept)
    assert holdings(cache.remote).results == 0


def test_a_file_that_two_results_share_stays_with_the_younger(cache: Cache) -> None:
    shared = cache.push("build-1", b"same", days=40)
    cache.push("build-2", b"same", days=2)
    removed = prune(cache.remote, MONTH, InUse())
    assert (removed.files, removed.results) == (0, 1)
    assert cache.has(shared)


def test_the_oldest_goes_until_the_rest_fits(cache: Cache) -> None:
    digests = [cache.push(f"build-{days}", b"x" * 1000 + b"%d" % days, days=days) for days in (9, 7, 5, 3)]
    prune(cache.remote, Retention(seconds=90 * DAY, most_bytes=2500), InUse())
    assert [cache.has(one) for one in digests] == [False, False, True, True]


def test_nothing_of_the_last_day_goes_whatever_is_asked(cache: Cache) -> None:
    fresh = cache.push("build-1", b"fresh", days=0.5)
    removed = prune(cache.remote, Retention(seconds=0, most_bytes=0), InUse())
    assert removed.files == 0
    assert cache.has(fresh)


def test_a_file_whose_result_is_not_written_yet_stays(cache: Cache, site: MakeSite) -> None:
    """Files come first: a removal in between sees a file that nothing names."""
    with site("maker", cache.url, pushes=True).store() as store:
        (cache.root.parent / "file").write_bytes(b"half published")
        sha256 = store.add(cache.root.parent / "file")
        assert store.behind
        store.behind.offer_files([sha256])
    prune(cache.remote, Retention(seconds=0), InUse())
    assert cache.has(sha256)


def test_an_old_file_that_somebody_publishes_anew_counts_as_new(cache: Cache) -> None:
    old = cache.push("build-1", b"same", days=400)
    push(cache.site("second", cache.url, pushes=True), "build-2", b"same")
    prune(cache.remote, MONTH, InUse())
    assert cache.has(old)
    assert pull(cache.site("user", cache.url), "build-2") == b"same"


def test_an_old_result_that_somebody_pushes_again_counts_as_new(cache: Cache) -> None:
    """A site that makes the same every night keeps it, also where no lock that the pruner has names it."""
    old = cache.push("build-1", b"same", days=400)
    push(cache.site("second", cache.url, pushes=True), "build-1", b"same")
    removed = prune(cache.remote, MONTH, InUse())
    assert removed.results == 0
    assert cache.has(old)
    assert pull(cache.site("user", cache.url), "build-1") == b"same"


@dataclass
class Interrupted(FolderRemote):
    """A place at which somebody else works right before a removal: what a pruner on another host cannot see."""

    address: Address
    meanwhile: Callable[[], None]
    done: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.address)

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects, after somebody else has worked."""
        if any(name.startswith("results/") for name in names) and not self.done:
            self.done.append(True)
            self.meanwhile()
        super().remove(names)


def test_what_another_writer_publishes_between_marking_and_sweeping_stays(cache: Cache) -> None:
    cache.push("build-1", b"same", days=400)
    second = cache.site("second", cache.url, pushes=True)

    def publish() -> None:
        push(second, "build-2", b"same")

    remote = Interrupted(Address.of(cache.url), publish)
    removed = prune(remote, MONTH, InUse())
    assert remote.done
    assert removed.files == 0
    assert pull(cache.site("user", cache.url), "build-2") == b"same"


@dataclass
class Listed(FolderRemote):
    """A place at which somebody else works after the results were marked."""

    address: Address
    meanwhile: Callable[[], object]
    listed: int = 0

    def __post_init__(self) -> None:
        super().__init__(self.address)

    def listing(self, folder: str) -> Iterator[Stored]:
        """Yield every object; the second time, after somebody else has worked."""
        self.listed += folder == entries.FOLDER
        if folder == entries.FOLDER and self.listed == 2:
            self.meanwhile()
        yield from super().listing(folder)


def test_a_result_that_somebody_pushes_again_after_the_marking_stays_with_its_files(cache: Cache) -> None:
    """The files alone were looked at again, so that the result went and its files stayed."""
    cache.push("build-1", b"same", days=400)
    second = cache.site("second", cache.url, pushes=True)
    remote = Listed(Address.of(cache.url), lambda: push(second, "build-1", b"same"))
    removed = prune(remote, MONTH, InUse())
    assert (remote.listed, removed.results, removed.files) == (2, 0, 0)
    assert pull(cache.site("user", cache.url), "build-1") == b"same"


def test_an_entry_that_nobody_can_read_goes_once_it_is_old(cache: Cache) -> None:
    sha256 = cache.push(KEY, b"old")
    (entry,) = cache.root.glob("results/*/*.json")
    entry.write_bytes(b"garbage")
    for path in (entry, cache.root / blob(sha256)):
        os.utime(path, (time.time() - 40 * DAY,) * 2)
    removed = prune(cache.remote, MONTH, InUse())
    assert (removed.files, removed.results) == (1, 1)


def test_no_result_is_compared_with_the_others(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with all the others takes minutes where there are ten thousand."""
    for number in range(3):
        cache.push(f"build-{number}", b"%d" % number, days=40)

    def compare(one: object, other: object) -> bool:
        raise AssertionError((one, other))

    monkeypatch.setattr(vars(retention)["_Marked"], "__eq__", compare)
    assert prune(cache.remote, MONTH, InUse()).results == 3


@pytest.mark.slow
def test_ten_thousand_objects_are_removed_page_by_page_but_those_that_a_lock_names() -> None:
    with s3_server("10000") as server:
        remote = reach(Address.of(server.cache("team")), Http(mirrors=Mirrors()))
        named = frozenset(hashlib.sha256(b"%d" % number).hexdigest() for number in range(0, 10_000, 100))
        removed = prune(remote, Retention(seconds=90 * DAY), InUse(digests=named))
        assert removed.files == 9_900
        assert {one.name.rpartition("/")[2] for one in remote.listing("blobs")} == named
