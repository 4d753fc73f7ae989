"""Checking what a run is told of shared caches, also where it has nothing to ask of them; light to import."""

from __future__ import annotations

from ascend_wheelhouse.shared_cache.choice import CacheChoice


def require_sound(choice: CacheChoice) -> None:
    """Hold what was told of caches to being so, and ask none of them.

    Raises:
        UsageError: A URL, the key or a trusted key is none.
    """
    if choice.urls or choice.key or choice.trust:
        from ascend_wheelhouse.shared_cache.opening import read_choice  # noqa: PLC0415 - most runs have no cache

        read_choice(choice)
