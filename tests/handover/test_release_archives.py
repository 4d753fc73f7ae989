"""Release archives by every name under which sgl-kernel-npu has published them; what they hold here are stand-ins."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from invoking import invoke
from making_packages import makeself
from tiny_wheels import write_wheel

from ascend_wheelhouse.cells.artefact_name import NameFacts, facts_of, recipes_for
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipes, archive_of
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.handover.untold import UntoldFactError
from ascend_wheelhouse.handover.vendor import OtherCellError, vendor_file
from ascend_wheelhouse.pin.supply import imported
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord, list_vendored

RECIPES = Path(__file__).parents[2] / "recipes"
KERNELS = ("sgl-kernel-npu", "deep-ep", "torch-memory-saver")


class Published(NamedTuple):
    """One published name, the component whose archive it is, and the cell that it is for."""

    name: str
    component: str
    facts: NameFacts


def facts(version: str, torch: str, python: str, cann: str, npu: str, machine: str = "aarch64") -> NameFacts:
    """Return the facts of one archive, in the order in which its name tells them."""
    return NameFacts(version=version, torch=torch, python_tag=python, cann=cann, npu=npu, machine=machine)


PUBLISHED = (
    Published(
        "sgl-kernel-npu_2026.01.21_8.5.0_a3.zip",
        "sgl-kernel-npu",
        facts("2026.01.21", "2.8.0", "cp311", "8.5.0", "a3"),
    ),
    Published(
        "sgl-kernel-npu_2026.01.07_8.3.rc2_910b.zip",
        "sgl-kernel-npu",
        facts("2026.01.07", "2.8.0", "cp311", "8.3.rc2", "910b"),
    ),
    Published(
        "sgl-kernel-npu-2026.01.28-8.3.rc2-910b-x86_64.zip",
        "sgl-kernel-npu",
        facts("2026.01.28", "2.8.0", "cp311", "8.3.rc2", "910b", "x86_64"),
    ),
    Published(
        "sgl-kernel-npu-2026.02.01-torch2.8.0-py311-cann8.5.0-a3-aarch64.zip",
        "sgl-kernel-npu",
        facts("2026.02.01", "2.8.0", "cp311", "8.5.0", "a3"),
    ),
    Published(
        "sgl-kernel-npu-2026.02.01-torch2.8.0-py311-cann8.5.0-910b-aarch64.zip",
        "sgl-kernel-npu",
        facts("2026.02.01", "2.8.0", "cp311", "8.5.0", "910b"),
    ),
    Published(
        "sgl-kernel-npu-2026.6.0-torch2.10.0-py311-cann9.0.0-910b-x86_64.zip",
        "sgl-kernel-npu",
        facts("2026.6.0", "2.10.0", "cp311", "9.0.0", "910b", "x86_64"),
    ),
    Published(
        "sgl-kernel-npu-2026.7.27-torch2.10.0-py311-cann9.0.0-a3-aarch64.zip",
        "sgl-kernel-npu",
        facts("2026.7.27", "2.10.0", "cp311", "9.0.0", "a3"),
    ),
    Published(
        "sgl-kernel-npu-2026.9.0-torch2.10.0-py311-cann9.0.0-a3-aarch64.zip",
        "sgl-kernel-npu",
        facts("2026.9.0", "2.10.0", "cp311", "9.0.0", "a3"),
    ),
    Published(
        "sgl-kernel-npu-2026.9.0.post9-torch2.10.0-py312-cann9.1.0-950-aarch64.zip",
        "sgl-kernel-npu",
        facts("2026.9.0.post9", "2.10.0", "cp312", "9.1.0", "950"),
    ),
    Published(
        "sgl-kernel-npu-20260826-torch2.10.0-py312-cann9.1.0-a3-aarch64.zip",
        "sgl-kernel-npu",
        facts("20260826", "2.10.0", "cp312", "9.1.0", "a3"),
    ),
    Published(
        "custom-ops-20260826-torch2.10.0-cann9.1.0-a3-aarch64.zip",
        "custom-ops",
        facts("20260826", "2.10.0", "", "9.1.0", "a3"),
    ),
    Published(
        "custom-ops-2026.9.0.post9-torch2.10.0-cann9.1.0-910b-x86_64.zip",
        "custom-ops",
        facts("2026.9.0.post9", "2.10.0", "", "9.1.0", "910b", "x86_64"),
    ),
    Published(
        "ops-transformer-2026.9.0.post9-torch2.10.0-cann9.1.0-a3-aarch64.zip",
        "ops-transformer",
        facts("2026.9.0.post9", "2.10.0", "", "9.1.0", "a3"),
    ),
)
NAMES = [one.name for one in PUBLISHED]


@pytest.fixture(scope="module")
def recipes() -> Recipes:
    """Return the project's own recipes."""
    return load_recipes(RECIPES)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path / "store")


def cell_of(one: Published) -> Cell:
    """Return the cell that an archive is for."""
    told = one.facts
    python = told.python_tag.replace("cp3", "3.") if told.python_tag else "3.12"
    return Cell(
        stack="s",
        target=Target.named(told.machine, told.npu, python=python),
        cann=told.cann.replace("rc", "RC"),
        components={"sglang": "0.5.6", "torch": told.torch}
        | dict.fromkeys((*KERNELS, "custom-ops", "custom-ops-run", "ops-transformer"), told.version),
    )


def members_of(one: Published, python: str = "") -> dict[str, bool]:
    """Return what upstream packs into an archive; true for the members that are `.run` packages."""
    machine = one.facts.machine
    tags = f"{python or one.facts.python_tag or 'cp312'}-{python or one.facts.python_tag or 'cp312'}-linux_{machine}"
    if one.component == "ops-transformer":
        return {f"cann-ops-transformer-custom_linux-{machine}.run": True}
    if one.component == "custom-ops":
        return {f"custom_ops-1.0-{tags}.whl": False, f"CANN-custom_ops-none-linux.{machine}.run": True}
    wheels = ("sgl_kernel_npu-2026.6.1", "deep_ep-1.0.0+3f61eab6", "torch_memory_saver-0.0.8")
    return {f"{wheel}-{tags}.whl": False for wheel in wheels}


def packed(folder: Path, one: Published, python: str = "", name: str = "") -> Path:
    """Write an archive as upstream packs it, its wheels in `output/` where the older names have them there."""
    below = "output/" if "-py" not in one.name and one.component == "sgl-kernel-npu" else ""
    path = folder / (name or one.name)
    with zipfile.ZipFile(path, "w") as archive:
        for member, package in members_of(one, python).items():
            if package:
                archive.writestr(below + member, makeself(one.name.encode()))
            else:
                archive.write(write_wheel(folder, member), below + member)
    return path


@pytest.mark.parametrize("one", PUBLISHED, ids=NAMES)
def test_every_published_name_tells_its_cell(recipes: Recipes, one: Published) -> None:
    assert [recipe.name for recipe in recipes_for(one.name, recipes)] == [one.component]
    assert facts_of(one.name, recipes[one.component]) == one.facts


@pytest.mark.parametrize("one", PUBLISHED, ids=NAMES)
def test_a_cell_asks_for_the_very_name_that_upstream_published(recipes: Recipes, one: Published) -> None:
    assert archive_of(recipes[one.component], cell_of(one), recipes) == one.name
    if one.component == "sgl-kernel-npu":
        assert {archive_of(recipes[name], cell_of(one), recipes) for name in KERNELS} == {one.name}


@pytest.mark.parametrize("one", PUBLISHED, ids=NAMES)
def test_an_imported_archive_files_everything_in_it_for_its_cell_and_no_other(
    store: Store, recipes: Recipes, tmp_path: Path, one: Published
) -> None:
    records = vendor_file(packed(tmp_path, one), store=store, recipes=recipes)
    assert {record.component: record.filename for record in records} == dict(_held(one))
    cell, find = cell_of(one), imported(store)
    for record in records:
        found = find(record.component, cell)
        assert found is not None
        assert found.sha256 == record.sha256
        for other in _others(one):
            found = find(record.component, cell_of(other))
            assert found is None or not _differs(record, other)


def _held(one: Published) -> list[tuple[str, str]]:
    by = {
        "sgl_kernel_npu": "sgl-kernel-npu",
        "deep_ep": "deep-ep",
        "torch_memory_saver": "torch-memory-saver",
        "custom_ops": "custom-ops",
        "CANN": "custom-ops-run",
        "cann": "ops-transformer",
    }
    return [(by[member.partition("-")[0]], member) for member in members_of(one)]


def _others(one: Published) -> list[Published]:
    return [other for other in PUBLISHED if other.component == one.component and other is not one]


def _differs(record: VendoredRecord, other: Published) -> bool:
    return bool(record.facts.differing(other.facts)) or record.facts.version != other.facts.version


@pytest.mark.parametrize(
    ("stated", "differs", "other"),
    [
        (NameFacts(torch="2.8.0"), "torch", "torch 2.8.0"),
        (NameFacts(python_tag="cp311"), "Python", "Python 3.11"),
        (NameFacts(cann="9.0.0"), "CANN", "CANN 9.0.0"),
        (NameFacts(npu="910b"), "chip", "910b"),
        (NameFacts(machine="x86_64"), "machine", "x86_64"),
    ],
)
def test_an_archive_of_another_cell_than_was_said_is_refused_with_both_cells_named(
    store: Store, recipes: Recipes, tmp_path: Path, stated: NameFacts, differs: str, other: str
) -> None:
    one = next(one for one in PUBLISHED if one.name.startswith("sgl-kernel-npu-20260826"))
    own = "20260826, torch 2.10.0, Python 3.12, CANN 9.1.0, a3, aarch64"
    with pytest.raises(OtherCellError) as told:
        vendor_file(packed(tmp_path, one), store=store, recipes=recipes, stated=stated)
    assert told.value.what == f"{one.name} is for {own}; the command is about {other}."
    assert told.value.why.startswith(f"They differ in {differs}:")
    assert told.value.next_step.startswith(f"import the file for {other}")
    assert told.value.exit_code == 2
    assert list_vendored(store) == []


def test_a_wheel_of_another_python_than_its_archives_name_says_is_refused_and_nothing_is_kept(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    one = next(one for one in PUBLISHED if one.name.startswith("sgl-kernel-npu-20260826"))
    with pytest.raises(
        OtherCellError, match=r"^deep_ep-1\.0\.0\+3f61eab6-cp311-\S+ in sgl-kernel-npu-20260826-\S+"
    ) as told:
        vendor_file(packed(tmp_path, one, python="cp311"), store=store, recipes=recipes)
    assert (
        "is for Python 3.11, aarch64; the archive is for 20260826, torch 2.10.0, Python 3.12"
        in told.value.what
    )
    assert list_vendored(store) == []


def test_a_wheel_of_another_machine_than_its_archives_name_says_is_refused(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    one = next(one for one in PUBLISHED if one.name.startswith("custom-ops-20260826"))
    renamed = packed(tmp_path, one, name=one.name.replace("aarch64", "x86_64"))
    with pytest.raises(OtherCellError, match=r"differ in machine"):
        vendor_file(renamed, store=store, recipes=recipes)
    assert list_vendored(store) == []


def test_packages_without_a_release_or_a_chip_in_their_names_are_taken_with_both_told(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    path = tmp_path / "cann-ops-transformer-custom_linux-aarch64.run"
    path.write_bytes(makeself(b"operators"))
    with pytest.raises(UntoldFactError, match=r"does not say which\."):
        vendor_file(path, store=store, recipes=recipes)
    with pytest.raises(UntoldFactError, match=r"which release of ops-transformer"):
        vendor_file(path, store=store, recipes=recipes, stated=NameFacts(npu="a3"))
    stated = NameFacts(npu="a3", version="2026.9.0.post9", cann="9.1.0")
    (record,) = vendor_file(path, store=store, recipes=recipes, stated=stated)
    assert (record.component, record.kind, record.facts.machine) == ("ops-transformer", "payload", "aarch64")


def test_the_guides_own_custom_operators_are_still_taken_by_their_names_alone(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    wheel = write_wheel(tmp_path, "custom_ops-1.0.a3-cp311-cp311-linux_aarch64.whl")
    (record,) = vendor_file(wheel, store=store, recipes=recipes)
    assert (record.facts.version, record.facts.npu) == ("1.0", "a3")


def test_invoke_vendor_says_both_cells_and_ends_with_the_code_of_bad_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    one = next(one for one in PUBLISHED if one.name.startswith("sgl-kernel-npu-2026.7.27"))
    path = packed(tmp_path, one)
    assert invoke("vendor", path, "--python", "3.12", "--torch", "2.10.0") == 2
    said = capsys.readouterr().err
    assert "is for 2026.7.27, torch 2.10.0, Python 3.11, CANN 9.0.0, a3, aarch64" in said
    assert "the command is about torch 2.10.0, Python 3.12" in said
    assert invoke("vendor", path, "--python", "3.11") == 0
    said = capsys.readouterr().out
    assert "torch-memory-saver" in said
    assert "torch 2.10.0, Python 3.11, CANN 9.0.0, a3, aarch64" in " ".join(said.split())
