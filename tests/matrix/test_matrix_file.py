"""What a matrix file means, and that whatever is wrong with one is told at once, with lines."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from invoking import ROOT, invoke

from ascend_wheelhouse.commands.tasks.cell import CellOptions
from ascend_wheelhouse.commands.tasks.many import _AXES
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.matrix.cells import matrix_cells
from ascend_wheelhouse.matrix.faults import InvalidMatrixError
from ascend_wheelhouse.matrix.names import AXES
from ascend_wheelhouse.matrix.product import MOST

MISTAKES = """\
[axes]
stack = ["torch2.8.0-cann8.3.rc2", "torch2.8.0-cann8.3.rc3"]
platform = "arm64"
npu = ["a3", 910,
  "a3"]
pythn = ["3.11"]
glibc = "2.17"
extra = []
oops = = 3

[[exclude]]
npu = "910b"

[[exclude]]
cann = "8.5.0"

[[include]]
torch = "2,8"
cann = "eight"

[[include]]
nonsense = true

[extras]
a = 1
"""


@pytest.fixture(scope="module")
def project() -> ProjectFolder:
    return ProjectFolder.load(ROOT)


def cells(project: ProjectFolder, path: Path, text: str) -> list[str]:
    """Return the names of a matrix's cells."""
    path.write_text(text)
    found = matrix_cells(project, lambda values: CellOptions(**values).request(), file=path, axes={})
    return [one.name for one in found]


def faults(project: ProjectFolder, path: Path, text: str) -> list[tuple[int | None, str, str]]:
    """Return line, key and rule of everything that is wrong with a matrix."""
    with pytest.raises(InvalidMatrixError) as raised:
        cells(project, path, text)
    return [(one.line, one.key, one.rule) for one in raised.value.problems]


def test_axes_are_the_options_of_a_cell() -> None:
    assert set(AXES) == {field.name for field in dataclasses.fields(CellOptions)}
    assert _AXES == AXES


def test_every_mistake_is_in_one_report_with_its_line(project: ProjectFolder, tmp_path: Path) -> None:
    assert faults(project, tmp_path / "matrix.toml", MISTAKES) == [
        (2, "axes.stack[2]", "value"),
        (3, "axes.platform", "value"),
        (4, "axes.npu[2]", "type"),
        (5, "axes.npu[3]", "twice"),
        (6, "axes.pythn", "unknown-key"),
        (7, "axes.glibc", "value"),
        (8, "axes.extra", "value"),
        (9, "", "syntax"),
        (12, "exclude[1].npu", "reference"),
        (15, "exclude[2].cann", "reference"),
        (18, "include[1].torch", "value"),
        (19, "include[1].cann", "value"),
        (22, "include[2].nonsense", "unknown-key"),
        (24, "extras", "unknown-key"),
    ]


def test_a_wrong_matrix_ends_with_2_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.toml"
    path.write_text(MISTAKES)
    assert invoke("matrix", "--file", str(path), "--output", str(tmp_path / "out"), "--json") == 2
    out, err = capsys.readouterr()
    assert len(json.loads(out)["problems"]) == 14
    assert err.startswith(f"Error: 14 problems in {path}:\n{path}:2: axes.stack[2]: ")
    assert not (tmp_path / "out").exists()


def test_the_product_of_axes_without_what_is_excluded(project: ProjectFolder, tmp_path: Path) -> None:
    text = """
[axes]
stack = ["torch2.8.0-cann8.3.rc2", "torch2.8.0-cann8.5.0"]
npu = ["a3", "910b"]
[[exclude]]
stack = "torch2.8.0-cann8.5.0"
npu = "910b"
"""
    assert cells(project, tmp_path / "m.toml", text) == [
        "sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-a3-aarch64",
        "sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-910b-aarch64",
        "sglang0.5.6.post2-torch2.8.0-cann8.5.0-a3-aarch64",
    ]


def test_an_include_adds_to_the_cells_that_it_matches_or_is_one_of_its_own(
    project: ProjectFolder, tmp_path: Path
) -> None:
    text = """
[axes]
stack = ["torch2.8.0-cann8.3.rc2", "torch2.8.0-cann8.5.0"]
npu = "a3"
[[include]]
stack = "torch2.8.0-cann8.5.0"
glibc = "2.34"
[[include]]
stack = "torch2.13.0-cann9.1.0"
platform = "x86_64"
"""
    assert cells(project, tmp_path / "m.toml", text) == [
        "sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-a3-aarch64",
        "sglang0.5.6.post2-torch2.8.0-cann8.5.0-a3-glibc2.34-aarch64",
        "sglang0.5.6.post2-torch2.13.0-cann9.1.0-a3-x86_64",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", (None, "", "missing-key")),
        ('[axes]\nnpu = "a3"\ntorch = "2.8"', (3, "axes.torch", "value")),
        ("axes = 3", (1, "axes", "type")),
        ('[axes]\nnpu = "a3"\n[[exclude]]\nnpu = "a3"', (3, "exclude", "value")),
        ('[axes]\nnpu = ["a3"]\n[[include]]\nnpu = "a3"', (3, "include[1]", "twice")),
        ('[axes]\nnpu = ["a3"]\n[[exclude]]', (3, "exclude[1]", "value")),
        ('[axes]\nstack = ["torch2.8.0-cann8.5.0"]\ntorch = "2.8.0"', (1, "axes", "value")),
        ('[axes]\nstack = "torch2.8.0-cann8.5.0"\n[[include]]\ncann = "8.5.0"', (3, "include[1]", "value")),
        ('[[include]]\nnpu = "a3"\n[[include]]\ntorch = "2.8.0"', (3, "include[2]", "twice")),
        ('[axes]\nstack = "torch2.6.0-cann8.3.rc2"\nplatform = "x86_64"\nnpu = "950"', (1, "axes", "value")),
        ('include = ["x"]', (1, "include[1]", "type")),
        ('[axes]\nnpu = "a3"\n[axes]\nglibc = "2.34"', (3, "", "syntax")),
        (f"[axes]\nsglang = {json.dumps([f'1.{one}' for one in range(MOST + 1)])}", (1, "axes", "value")),
    ],
)
def test_one_mistake_is_told_once_and_alone(
    project: ProjectFolder, tmp_path: Path, text: str, wanted: tuple[int | None, str, str]
) -> None:
    assert faults(project, tmp_path / "m.toml", text) == [wanted]


def test_what_to_type_next_names_the_file_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.toml"
    file.write_text("axes = 3")
    assert invoke("matrix", "--file", str(file)) == 2
    assert f"then: invoke matrix --file {file} --dry-run" in capsys.readouterr().err


def test_a_byte_order_mark_is_no_mistake(project: ProjectFolder, tmp_path: Path) -> None:
    assert len(cells(project, tmp_path / "m.toml", '\ufeff[axes]\nnpu = ["a3", "910b"]')) == 2


def test_mistakes_in_options_are_one_report_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("matrix", "--npu", "910c", "--platform", "arm", "--stack", "none") == 2
    err = capsys.readouterr().err
    assert err.startswith("Error: 3 problems in the options:\n")
    assert [line.partition(":")[0] for line in err.splitlines()[1:4]] == ["--stack", "--platform", "--npu"]


def test_a_file_and_axes_are_not_both_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("matrix", "--file", "x.toml", "--npu", "a3") == 2
    assert "--file goes with no axis, and --npu is given." in capsys.readouterr().err


def test_without_any_matrix_it_says_where_one_stands(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("matrix") == 2
    assert "matrix.toml cannot be read" in capsys.readouterr().err


def test_the_example_keeps_every_committed_lock(project: ProjectFolder) -> None:
    found = matrix_cells(
        project,
        lambda values: CellOptions(**values).request(),
        file=ROOT / "deploy/matrix.toml",
        axes={},
    )
    locks = {
        (path.parent.name, path.name.split(".")[1])
        for path in ROOT.glob("lockfiles/*/pylock.*.toml")
        if path.parent.name != "toolchains"
    }
    assert {(one.cell.stack_id, one.cell.target.machine) for one in found if one.cell} == locks
