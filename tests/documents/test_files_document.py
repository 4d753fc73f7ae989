"""`docs/files.md` against the code: every variable that is read, and every folder of the store."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/ascend_wheelhouse"
OWN = {"WHEELHOUSE_FAMILY", "WHEELHOUSE_GIT_PASSWORD", "WHEELHOUSE_GIT_USER", "WHEELHOUSE_REPORTS"}
"""Set by one process of this tool for another."""


def sections() -> dict[str, str]:
    """Return the sections of the document by their titles."""
    parts = re.split(r"^## (.+)$", (ROOT / "docs/files.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_variable_that_is_read_is_listed() -> None:
    named = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r'"(WHEELHOUSE_[A-Z]+(?:_[A-Z]+)*)"', path.read_text())
    }
    assert {"WHEELHOUSE_CACHE", "WHEELHOUSE_STORE"} <= named
    assert sorted(one for one in named - OWN if f"`{one}`" not in sections()["Variables"]) == []


def test_every_folder_that_the_store_makes_is_listed() -> None:
    folders = {
        name
        for path in (SOURCE / "store").glob("*.py")
        for name in re.findall(r'(?:\broot / |_folder\()"([a-z]+)"', path.read_text())
    }
    assert {"blobs", "vendored"} <= folders
    assert sorted(one for one in folders if f"`{one}/`" not in sections()["In the store"]) == []
