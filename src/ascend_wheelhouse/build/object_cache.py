"""ccache: objects by the content of everything that they are compiled from, kept in the store for every later build.

A build that was killed starts from a fresh source and finds what the other had compiled: nothing half-written is ever
gone on with, whatever tool the upstream's build uses. ccache puts an object into its cache in one step once it is
whole. Each component has a cache of its own, and in images one for each compiler: what a build writes there reaches
later builds of the same component alone. Settings are read from nowhere, since they can name programs to run.

What the preprocessor gives decides which object fits. ccache's direct mode, which skips it, looks at the files that
were included before: a new header that is found earlier than another of its name is not among them (ccache's manual,
"The direct mode").
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.laid_out import OBJECTS, mark_used
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


def made_folder(store: Path, component: str, toolchain: Toolchain, image: str) -> Path:
    """Return the cache's folder, made where it is missing.

    Args:
        store: The store's folder.
        component: What is built.
        toolchain: The tools.
        image: The digest of the image that they are in; empty for this host's or ours.
    """
    folder = store / OBJECTS / component
    if image:
        gcc = toolchain.get("gcc")
        facts = {"image": image, "gcc": [gcc.path, gcc.identity] if gcc else []}
        folder = folder.with_name(f"{component}-{digest_of(facts)[:20]}")
    folder = rights.readable(folder, os.R_OK | os.W_OK | os.X_OK)
    rights.make_folder(store, OBJECTS, folder.name)
    found = folder.stat()
    if found.st_mode & stat.S_IWGRP and found.st_uid == os.geteuid():
        # the group gets what ccache makes in it
        folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_ISGID)
    mark_used(folder)
    return folder


def variables(toolchain: Toolchain, *, image: str, root: str, folder: str, mode: int) -> dict[str, str]:
    """Return what tells ccache which compiler this is, where its cache is, and where to note what it did.

    Args:
        toolchain: The tools; one of ours is known by the digest of its lock, which covers more than gcc's driver.
        image: The digest of the image that they are in, which covers as much; empty for this host's or ours.
        root: Where the build sees its folder.
        folder: Where it sees the cache, which it may write.
        mode: The rights of that folder: where a group may write to it, ccache keeps files that the group may replace.
    """
    umask = {"CCACHE_UMASK": "002"} if mode & stat.S_IWGRP else {}
    known = " ".join(word for word in (image, toolchain.identity.get("gcc", "")) if word)
    return umask | {
        "CCACHE_COMPILERCHECK": f"string:{known}" if image or toolchain.sysroot else "content",
        "CCACHE_CONFIGPATH": os.devnull,
        "CCACHE_DIR": folder,
        "CCACHE_NODIRECT": "1",
        "CCACHE_STATSLOG": f"{root}/{LOG}",
    }


def objects(work: Path) -> Objects:
    """Return what ccache noted in a build's folder."""
    log = work / LOG
    counts = Counter(log.read_text("utf-8", "replace").split("\n") if log.is_file() else ())
    return Objects(found=sum(counts[name] for name in _FOUND), compiled=counts[_COMPILED])
