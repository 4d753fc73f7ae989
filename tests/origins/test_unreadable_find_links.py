from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.origins.pip_config import PipConfig


def test_a_folder_that_cannot_be_listed_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)  # a superuser may list every folder
    finder = Finder(Http(PipConfig(no_index=True, find_links=(str(tmp_path),)), Mirrors()))
    refused: list[Exception] = []

    def ask() -> None:
        try:
            finder.versions("pkg", Target.named("aarch64"))
        except OSError as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)
    assert len(refused) == 2
