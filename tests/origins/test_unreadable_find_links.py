from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.faults import UnreadableFolderError
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
        except UnreadableFolderError as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert len(refused) == 2
    assert str(refused[0]).startswith(f"{tmp_path.as_uri()}: Permission denied\n")
    assert "pip config debug" in str(refused[0])


def test_a_folder_below_one_that_may_not_be_entered_is_passed_over_as_pip_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", closed)
    places = f"{tmp_path}/inner {tmp_path.as_uri()}/inner https://links.example/"
    config = PipConfig.read({"PIP_FIND_LINKS": places}, files=())
    assert config.find_links == ("https://links.example/",)
