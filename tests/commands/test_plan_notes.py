"""What is to be known of a cell that no stack lists is told before its plan."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from ascend_wheelhouse.build.job import Archive, Sources
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.derive import BadVersionError
from ascend_wheelhouse.cells.project import UnknownExtraError
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.commands import plan
from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.origins.mirrors import MirrorsError
from ascend_wheelhouse.store.store import Store

ROOT = Path(__file__).parents[2]
ASKED = Request(torch="2.8.0", target=Target(machine="aarch64", npu="a3", python=(3, 11)))


def test_every_note_of_a_derived_cell_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    notes = ("no stack lists it", "no torch_npu release: built from source")
    monkeypatch.setattr(
        plan, "cell_of", lambda *given, **more: replace(cell_of(*given, **more), derived=True, notes=notes)
    )
    plan.main(plan.PlanOptions(root=ROOT, request=ASKED, output=tmp_path))
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first.endswith("is derived: no stack lists it")
    assert second == "no torch_npu release: built from source"


def test_mirrors_that_cannot_be_read_are_refused_although_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mirrors.toml").write_text("[mirrors\n")
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("WHEELHOUSE_MIRRORS", str(tmp_path / "mirrors.toml"))
    with pytest.raises(MirrorsError) as caught:
        plan.main(plan.PlanOptions(root=ROOT, request=ASKED, output=tmp_path))
    assert caught.value.exit_code == 2


def test_the_cpu_build_of_torch_is_asked_for_by_its_public_version() -> None:
    assert replace(ASKED, torch="2.8.0+cpu") == ASKED


def test_two_forms_at_once_are_refused() -> None:
    assert plan.form_of(dot=True, json=False) == "dot"
    with pytest.raises(plan.TwoFormsError, match="--dot and --json do not go together") as caught:
        plan.form_of(dot=True, json=True)
    assert caught.value.exit_code == 2


def test_an_extra_that_nobody_looked_up_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    plan.main(plan.PlanOptions(root=ROOT, request=replace(ASKED, extra="nonsense"), output=tmp_path))
    assert (
        "sglang 0.5.6.post2 is asked for its extra nonsense: whether it has that is read"
        in capsys.readouterr().err
    )
    plan.main(plan.PlanOptions(root=ROOT, request=replace(ASKED, extra="torchaudio"), output=tmp_path))
    assert "extra" not in capsys.readouterr().err
    with pytest.raises(BadVersionError) as caught:
        plan.main(plan.PlanOptions(root=ROOT, request=replace(ASKED, sglang="abc"), output=tmp_path))
    assert caught.value.next_step == "--sglang 0.5.6.post2, for example"


@pytest.fixture
def source_of_application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have a small source of SGLang in the store, which the lock of the cell without extras names."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    text = b"[project]\nname = 'sglang'\n[project.optional-dependencies]\nsrt_npu = []\nvideo = []\n"
    packed = tmp_path / "sglang-0.5.6.post2.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        member = tarfile.TarInfo("sglang-0.5.6.post2/pyproject_npu.toml")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    tree = Archive(filename=packed.name, sha256=Store().adopt(packed))
    whole = ProjectFolder.lock_before

    def lock_before(folder: ProjectFolder, cell: Cell) -> Lock | None:
        lock = whole(folder, cell)
        sources = [replace(one, build=Sources(tree=tree).as_dict()) for one in lock.sources] if lock else []
        return replace(lock, sources=tuple(sources)) if lock else None

    monkeypatch.setattr(ProjectFolder, "lock_before", lock_before)


@pytest.mark.usefixtures("source_of_application")
@pytest.mark.parametrize("asked", ["nonsense", "torchaudio,nonsense"])
def test_an_extra_that_the_source_in_the_store_lacks_is_refused(tmp_path: Path, asked: str) -> None:
    with pytest.raises(UnknownExtraError, match="has no extra 'nonsense'") as caught:
        plan.main(plan.PlanOptions(root=ROOT, request=replace(ASKED, extra=asked), output=tmp_path))
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("source_of_application")
def test_an_extra_that_the_source_in_the_store_has_needs_no_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan.main(plan.PlanOptions(root=ROOT, request=replace(ASKED, extra="video"), output=tmp_path))
    assert "extra" not in capsys.readouterr().err
