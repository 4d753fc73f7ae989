"""What stands behind a store: something that may have what it lacks, and takes what it has made or fetched.

The store knows nothing of where that is; `shared_cache` is the one that there is. Nothing here raises: what cannot be
had is fetched or built as if there were nothing behind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ascend_wheelhouse.base.artifact import Artifact, Expected
from ascend_wheelhouse.base.events import Emit


class WantedBlob(Protocol):
    """A file that is asked for, such as a download."""

    @property
    def filename(self) -> str:
        """Its name."""
        ...

    @property
    def expected(self) -> Expected:
        """Its promised size and digest."""
        ...

    @property
    def urgent(self) -> bool:
        """Whether it comes before the others."""
        ...


class Behind(Protocol):
    """What the parts that fetch and build ask; it knows its store, and threads share it."""

    @property
    def took_all(self) -> bool:
        """Whether all that was offered is there, at the end of a run that offers."""
        ...

    def bring_files(self, wanted: Sequence[WantedBlob], emit: Emit) -> Collection[str]:
        """Have in the store what there is of some files with a promised digest, and return the digests that came.

        Args:
            wanted: The files.
            emit: Told of those that come; called from one thread at a time.
        """
        ...

    def bring_result(self, key: str) -> bool:
        """Have the record of a key and every file that it names in the store; tell whether they are there now."""
        ...

    def offer_files(self, digests: Collection[str]) -> None:
        """Pass files of the store on."""
        ...

    def offer_result(
        self, key: str, files: Sequence[Artifact], about: Mapping[str, str] | None = None
    ) -> None:
        """Pass the record of a key and its files on.

        Args:
            key: The record's.
            files: What it names.
            about: What a lock names of it, so that it is kept as long as the lock is.
        """
        ...
