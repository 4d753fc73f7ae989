"""What a pending part of a release archive says: the exact file to get, and an import that is for another cell."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from tiny_wheels import write_wheel

from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.recipe import ArchiveOrigin, UrlOrigin
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.url import filled
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.locks.lock import Pending
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.origins.faults import NotFoundError
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.pin.locate import Located, Locator
from ascend_wheelhouse.pin.supply import imported, imported_otherwise
from ascend_wheelhouse.store.store import Store

RECIPES = Path(__file__).parents[2] / "recipes"
NAME = "sgl-kernel-npu-2026.9.0-torch2.10.0-py311-cann9.0.0-a3-aarch64.zip"
PARTS = ("sgl-kernel-npu", "deep-ep", "torch-memory-saver", "custom-ops", "custom-ops-run", "ops-transformer")


def cell(tag: str = "2026.9.0", cann: str = "9.0.0", npu: str = "a3", python: str = "") -> Cell:
    """Return a cell whose parts of the archives are all of one release."""
    target = Target.named("aarch64", npu, python=python)
    components = {"sglang": "0.5.6", "torch": "2.10.0"} | dict.fromkeys(PARTS, tag)
    return Cell(stack="s", target=target, cann=cann, components=components)


def unreachable(origin: UrlOrigin | ArchiveOrigin, fields: Mapping[str, str]) -> LockedFile:
    """Answer as a host that cannot be reached."""
    raise NotFoundError(filled(origin.url, fields), "no answer")


def pending(store: Store, component: str, where: Cell) -> Pending:
    """Return what is said of a component that no origin gives."""
    answer = locator(store, where).locate(component)
    assert isinstance(answer, Pending)
    return answer


def locator(store: Store, where: Cell) -> Locator:
    """Return a locator that has the imported files alone."""
    return Locator(
        cell=where,
        recipes=load_recipes(RECIPES),
        table=load_compatibility(RECIPES),
        http=Http(),
        vendored=imported(store),
        elsewhere=imported_otherwise(store),
        release=unreachable,
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path / "store")


@pytest.mark.parametrize(
    ("component", "file"),
    [
        *((name, NAME) for name in PARTS[:3]),
        *((name, "custom-ops-2026.9.0-torch2.10.0-cann9.0.0-a3-aarch64.zip") for name in PARTS[3:5]),
        ("ops-transformer", "ops-transformer-2026.9.0-torch2.10.0-cann9.0.0-a3-aarch64.zip"),
    ],
)
def test_a_pending_component_names_the_very_archive_that_supplies_it(
    store: Store, component: str, file: str
) -> None:
    told = pending(store, component, cell())
    assert f"download {file} " in told.supply
    assert told.urls == (f"https://github.com/sgl-project/sgl-kernel-npu/releases/download/2026.9.0/{file}",)


def test_another_python_and_another_chip_make_another_archive(store: Store) -> None:
    told = pending(store, "deep-ep", cell("2026.9.0.post9", "9.1.0", "950", "3.12"))
    assert "sgl-kernel-npu-2026.9.0.post9-torch2.10.0-py312-cann9.1.0-950-aarch64.zip" in told.supply
    assert "invoke build deep-ep --torch 2.10.0 --platform aarch64 --npu 950 --python 3.12" in told.supply


def test_a_release_without_archives_says_so_and_names_no_file_that_is_not_there(store: Store) -> None:
    told = pending(store, "sgl-kernel-npu", cell("20251206", "8.3.RC2"))
    assert "no archive of 20251206 for this cell is known" in told.reason
    assert ".zip" not in told.supply
    assert "{" not in told.supply


def test_a_source_that_nobody_asked_to_build_is_named_with_its_place_and_the_command_that_builds_it(
    store: Store,
) -> None:
    told = pending(store, "sgl-kernel-npu", cell("20251206", "8.3.RC2"))
    assert (
        "https://github.com/sgl-project/sgl-kernel-npu.git at 20251206 holds source, no wheel" in told.reason
    )
    assert "`invoke build sgl-kernel-npu --torch " in told.reason


def test_an_archive_that_was_imported_for_another_cell_is_named_with_both_cells(
    store: Store, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / NAME, "w") as archive:
        wheel = "deep_ep-1.0.0+3f61eab6-cp311-cp311-linux_aarch64.whl"
        archive.write(write_wheel(tmp_path, wheel), wheel)
    vendor_file(tmp_path / NAME, store=store, recipes=load_recipes(RECIPES))
    assert isinstance(locator(store, cell()).locate("deep-ep"), Located)
    for other in (cell(npu="910b"), cell(python="3.12"), cell(cann="9.1.0")):
        told = pending(store, "deep-ep", other)
        assert f"{wheel} is for 2026.9.0, torch 2.10.0, Python 3.11, CANN 9.0.0, a3, aarch64" in told.reason
        assert (
            f"this cell is 2026.9.0, torch 2.10.0, Python {other.fields['python']}, CANN {other.cann}"
            in told.reason
        )
