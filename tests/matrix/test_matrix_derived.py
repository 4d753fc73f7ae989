"""Cells of a matrix that no stack lists: by the index two of them may be one, which is told before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from index_server import serving
from invoking import ROOT
from small_world import found

from ascend_wheelhouse.base.errors import SourceUnreachableError
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.derive import cell_for
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.commands.tasks.cell import CellOptions
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.matrix.cells import CellOf, matrix_cells
from ascend_wheelhouse.matrix.faults import InvalidMatrixError

TWICE = """\
[[include]]
torch = "2.8.0"
cann = "8.5.1"

[[include]]
torch = "2.8.0"
cann = "8.5.1"
sglang = "{sglang}"
"""


@pytest.fixture(scope="module")
def committed() -> ProjectFolder:
    return ProjectFolder.load(ROOT)


def names_of(committed: ProjectFolder, path: Path, text: str, cell_of: CellOf | None) -> list[str]:
    """Return the names of a matrix's cells, where an index may be asked."""
    path.write_text(text)
    cells = matrix_cells(
        committed, lambda values: CellOptions(**values).request(), file=path, axes={}, cell_of=cell_of
    )
    return [one.name for one in cells]


def answering(committed: ProjectFolder) -> CellOf:
    """Return what says of each request what it means, by an index of two projects."""
    offered = {"torch": ["2.8.0"], "torch-npu": ["2.8.0", "2.8.0.post2"]}
    return lambda request: cell_for(request, committed.catalogue, committed.table, offered.__getitem__)


def test_a_derived_cell_that_stands_twice_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """Its wheelhouse was made twice by two cells of one run, and counted twice in the size of all."""
    with serving() as index:
        world = found(tmp_path, index)
        (tmp_path / "matrix.toml").write_text(TWICE.format(sglang="1.0"))
        done = world.invoke("matrix", "--resolver", "uv")
        assert done.status == 2, done.err + done.out
        assert "matrix.toml:5: include[2]: torch 2.8.0, cann 8.5.1, sglang 1.0" in done.err
        assert "is the same wheelhouse as torch 2.8.0, cann 8.5.1" in done.err
        assert "sglang1.0-torch2.8.0-cann8.5.1-a3-aarch64" in done.err
        assert not (tmp_path / "wheelhouse").exists()
        assert not [name for _, name, _ in index.asked if name in index.files]


def test_derived_cells_that_are_others_are_not_told(committed: ProjectFolder, tmp_path: Path) -> None:
    text = TWICE.format(sglang="0.5.7")
    assert len(names_of(committed, tmp_path / "m.toml", text, answering(committed))) == 2


def test_nobody_is_asked_for_a_plan_and_none_where_only_one_cell_is_derived(
    committed: ProjectFolder, tmp_path: Path
) -> None:
    def refusing(request: Request) -> Cell:
        raise AssertionError(request)

    assert len(names_of(committed, tmp_path / "m.toml", TWICE.format(sglang="0.5.6.post2"), None)) == 2
    one = '[axes]\ntorch = "2.8.0"\ncann = ["8.5.0", "8.5.1"]\n'
    assert len(names_of(committed, tmp_path / "m.toml", one, refusing)) == 2


def test_a_silent_index_leaves_each_cell_to_its_own_run(committed: ProjectFolder, tmp_path: Path) -> None:
    def silent(_: Request) -> Cell:
        raise SourceUnreachableError("silent")

    assert len(names_of(committed, tmp_path / "m.toml", TWICE.format(sglang="0.5.6.post2"), silent)) == 2


def test_what_the_index_answers_is_what_the_report_says(committed: ProjectFolder, tmp_path: Path) -> None:
    with pytest.raises(InvalidMatrixError) as told:
        names_of(committed, tmp_path / "m.toml", TWICE.format(sglang="0.5.6.post2"), answering(committed))
    assert "sglang0.5.6.post2-torch2.8.0-cann8.5.1-a3-aarch64" in told.value.what
