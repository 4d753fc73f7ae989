"""For which hosts the bundle of the program is: the settings of a project name its nodes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ascend_wheelhouse.base import settings
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.commands.bundle import ToolRequest
from ascend_wheelhouse.commands.tasks.carrying import _asked
from ascend_wheelhouse.commands.tasks.cell import CellOptions

OTHER = "x86_64" if os.uname().machine == "aarch64" else "aarch64"


def asked(root: Path, given: dict[str, str]) -> Target:
    """Return what `bundle --tool` packs for with these words, the settings laid below them as the task does it."""
    found = settings.use(root, given).found()
    cell = CellOptions(**{key: found[key].value for key in settings.CELL if key in found})
    request = _asked(cell, "", tool=True)
    assert isinstance(request, ToolRequest)
    return request.target


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose nodes differ from this host in everything."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / settings.NAME).write_text(f'platform = "{OTHER}"\npython = "3.12"\nglibc = "2.34"\n')
    return tmp_path


def test_the_program_is_packed_for_this_architecture_whatever_the_nodes_have(root: Path) -> None:
    assert asked(root, {}) == Target.named(os.uname().machine)


def test_the_command_line_says_otherwise(root: Path) -> None:
    said = {"platform": OTHER, "python": "3.12"}
    assert asked(root, said) == Target.named(OTHER, python="3.12")
