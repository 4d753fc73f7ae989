"""Where the store is. Light to import: a run with nothing to do asks for nothing else of it."""

from __future__ import annotations

import os
from pathlib import Path

from ascend_wheelhouse.base import settings
from ascend_wheelhouse.base.places import at_home, user_cache


def default_root() -> Path:
    """Return `WHEELHOUSE_STORE`, else what the settings say, else `ascend-wheelhouse` in the user's cache folder.

    A relative one counts from the current folder. It is absolute here, as what a run starts may work elsewhere.
    """
    if chosen := os.environ.get("WHEELHOUSE_STORE") or settings.current().in_files("store"):
        return at_home(chosen).absolute()
    return user_cache()
