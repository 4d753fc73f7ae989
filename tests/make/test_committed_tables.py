"""The committed locks, held to the recipes that they are committed with: a changed recipe needs new ones."""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.build.build_table import KEY, require_table
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.watch.apply import request_of
from ascend_wheelhouse.watch.held import WatchChoice, watched

ROOT = Path(__file__).parents[2]


def test_every_committed_lock_knows_the_build_tables_that_are_here() -> None:
    folder = ProjectFolder.load(ROOT)
    held = [one for one in watched(folder, WatchChoice()).locks if one.lock.sources]
    assert held
    for one in held:
        cell = cell_of(request_of(one), folder)
        for source in one.lock.sources:
            assert source.build.get(KEY), (one.name, source.component)
            require_table(source, folder.recipes[source.component], cell, one.words)
