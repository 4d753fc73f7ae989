"""A run on a store with caches behind it, as a command does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest

from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.shared_cache.backed_store import store_with
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.store.store import Store


@dataclass(frozen=True, kw_only=True)
class SiteRun:
    """A run of one site: its store, its cache, and what it was told."""

    root: Path
    choice: CacheChoice
    monkeypatch: pytest.MonkeyPatch
    events: list[Event] = field(default_factory=list)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Give the store of one command, its caches behind it."""
        self.monkeypatch.setenv("WHEELHOUSE_STORE", str(self.root / "store"))
        with store_with(self.choice, self.events.append) as store:
            yield store

    @property
    def warnings(self) -> list[str]:
        """What was warned of."""
        return [one.text for one in self.events if isinstance(one, Note) and one.level == "warning"]

    @property
    def notes(self) -> str:
        """What was told beside."""
        return "\n".join(one.text for one in self.events if isinstance(one, Note) and one.level == "info")


MakeSite = Callable[..., SiteRun]


KEY = f"build-{'7' * 64}"
"""The key of a result that tests push without building."""


def push(
    run: SiteRun, key: str = KEY, content: bytes = b"a bundle", about: Mapping[str, str] | None = None
) -> str:
    """Have a site make a result of one file and push it; return the file's digest."""
    with run.store() as store:
        sha256 = store.add(BytesIO(content))
        store.put_result(key, {"file": sha256})
        assert store.behind
        store.behind.offer_result(key, [store.artifact("a.bundle", sha256)], about)
    return sha256


def pull(run: SiteRun, key: str = KEY) -> bytes | None:
    """Have a site ask for a result, and return its file; None where it would be built here."""
    with run.store() as store:
        assert store.behind
        if not store.behind.bring_result(key):
            return None
        record = store.result(key)
        assert record
        return store.path(record["file"]).read_bytes()
