"""Where the libraries that a wheel takes along come from, when not from this host: a toolchain of ours, or an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class LibraryFile(Protocol):
    """One library that may be grafted."""

    @property
    def told(self) -> str:
        """The library and where it is from, for a reader of the manifest."""
        ...


class LibrarySource(Protocol):
    """What a wheel may take along, and nothing else."""

    @property
    def owner(self) -> str:
        """Whose they are, as a part of a sentence."""
        ...

    @property
    def remedy(self) -> str:
        """What a user does where a library is missing."""
        ...

    @property
    def has_floor(self) -> bool:
        """Whether they were made for the nodes' glibc, by name."""
        ...

    @property
    def folders(self) -> Sequence[Path]:
        """Where auditwheel looks for them."""
        ...

    @property
    def known(self) -> Mapping[str, LibraryFile]:
        """Each by the name that a shared object needs it by."""
        ...

    @property
    def of_nodes(self) -> frozenset[str]:
        """Names of what every node has."""
        ...

    def needed(self, name: str) -> tuple[str, ...]:
        """Return what a library needs itself; nothing where it is not among these."""
        ...

    def source_of(self, grafted: str) -> LibraryFile | None:
        """Return what a grafted file was made from; None where it is not among these."""
        ...

    def additions(self, grafted: Mapping[str, tuple[Any, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield the files of `.dist-info` that tell of grafted libraries, by their names in it."""
        ...
