"""ccache: objects by the content of everything that they are compiled from, kept in the store for every later build.

A build that was killed starts from a fresh source and finds what the other had compiled: nothing half-written is ever
gone on with, whatever tool the upstream's build uses. ccache puts an object into its cache in one step once it is
whole.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.build.toolchain import Toolchain

LOG = "ccache.log"
_FOUND = ("direct_cache_hit", "preprocessed_cache_hit")
_COMPILED = "cache_miss"


@dataclass(frozen=True, kw_only=True)
class Objects:
    """What a build's objects came from.

    Args:
        found: Out of the cache.
        compiled: By the compiler.
    """

    found: int
    compiled: int


def variables(toolchain: Toolchain, root: str) -> dict[str, str]:
    """Return what tells ccache which compiler this is, and where to note what it did.

    Args:
        toolchain: The tools; one of ours is known by the digest of its lock, which covers more than gcc's driver.
        root: Where the build sees its folder.
    """
    known = f"string:{toolchain.identity['gcc']}" if toolchain.sysroot else "content"
    return {"CCACHE_COMPILERCHECK": known, "CCACHE_STATSLOG": f"{root}/{LOG}"}


def objects(work: Path) -> Objects:
    """Return what ccache noted in a build's folder."""
    log = work / LOG
    counts = Counter(log.read_text("utf-8", "replace").split("\n") if log.is_file() else ())
    return Objects(found=sum(counts[name] for name in _FOUND), compiled=counts[_COMPILED])
