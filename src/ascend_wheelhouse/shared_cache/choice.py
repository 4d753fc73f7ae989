"""What a run is told of shared caches; light to import: most runs have none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base.places import at_home

URLS, KEY, TRUST = "WHEELHOUSE_CACHE", "WHEELHOUSE_CACHE_KEY", "WHEELHOUSE_CACHE_TRUST"


@dataclass(frozen=True, kw_only=True)
class CacheChoice:
    """Which caches a run uses, and how far.

    Args:
        urls: Where they are, asked in this order.
        key: The private key that signs what is pushed; nothing is pushed when None.
        trust: Whose results are used: public keys, folders of them, or fingerprints.
    """

    urls: tuple[str, ...] = ()
    key: Path | None = None
    trust: tuple[str, ...] = ()

    @property
    def pushed_to(self) -> tuple[str, ...]:
        """The caches that a run gives what it takes, none without a key: by names that hold no login, to be kept."""
        if not self.key:
            return ()
        from ascend_wheelhouse.shared_cache.address import Address  # noqa: PLC0415 - most runs have no cache

        return tuple(Address.of(url).kept for url in self.urls)

    @classmethod
    def of(
        cls,
        urls: Sequence[str] = (),
        key: str = "",
        trust: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> CacheChoice:
        """Return what options say, each that was not given as the environment says it."""
        found = os.environ if environ is None else environ
        key = key or found.get(KEY, "")
        return cls(
            urls=tuple(filter(None, urls)) or tuple(found.get(URLS, "").split()),
            key=at_home(key) if key else None,
            trust=tuple(filter(None, trust)) or tuple(filter(None, found.get(TRUST, "").split(os.pathsep))),
        )
