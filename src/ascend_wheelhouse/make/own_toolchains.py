"""The toolchains of a project folder, fetched where a build asks for one and an origin may be asked."""

from __future__ import annotations

import os
from pathlib import Path

from ascend_wheelhouse.base.packaged import lockfiles_of, recipes_of
from ascend_wheelhouse.build.own_toolchains import OwnToolchains
from ascend_wheelhouse.cells.toolchains import read_toolchains
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.pin.toolchains import ToolchainFetcher


def own_toolchains(root: Path, fetcher: Fetcher) -> OwnToolchains:
    """Return the toolchains that a project folder has for builds on this host.

    Args:
        root: The project folder.
        fetcher: Its store, its client of the origins, and whether they may be asked.
    """
    own = ToolchainFetcher(store=fetcher.store, http=fetcher.http, emit=fetcher.emit, offline=fetcher.offline)
    return OwnToolchains(
        recipes=read_toolchains(recipes_of(root)),
        lockfiles=lockfiles_of(root),
        store=fetcher.store,
        host=os.uname().machine,
        bring=own.bring,
    )
