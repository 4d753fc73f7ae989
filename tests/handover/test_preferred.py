"""Which of several imported files a cell takes, and what is said of those that it does not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from tiny_wheels import write_wheel

from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import forget, list_vendored, vendored_record

ZIP = "sgl-kernel-npu_2026.01.21_8.5.0_a3.zip"
WHEEL = "sgl_kernel_npu-2026.1.21-cp311-cp311-linux_aarch64.whl"
CELL = NameFacts(
    version="2026.01.21", machine="aarch64", npu="a3", cann="8.5.0", torch="2.8.0", python_tag="cp311"
)


@pytest.fixture(scope="module")
def recipes() -> Recipes:
    """Return the project's own recipes."""
    return load_recipes(Path(__file__).parents[2] / "recipes")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path / "store")


def _wheel(folder: Path, content: str) -> Path:
    folder.mkdir()
    path = write_wheel(folder, WHEEL)
    with zipfile.ZipFile(path, "a") as wheel:
        wheel.comment = content.encode()
    return path


def test_a_wheel_of_one_s_own_that_an_archive_keeps_out_is_told(
    store: Store, recipes: Recipes, tmp_path: Path
) -> None:
    """The corrected wheel was taken without a word, and every wheelhouse went on with that of the archive."""
    archive = tmp_path / ZIP
    with zipfile.ZipFile(archive, "w") as file:
        file.write(_wheel(tmp_path / "upstream", "one"), f"output/{WHEEL}")
    (first,) = vendor_file(archive, store=store, recipes=recipes)
    own = _wheel(tmp_path / "own", "two")
    stated = NameFacts(version="2026.01.21", npu="a3")
    said: list[Event] = []
    (second,) = vendor_file(own, store=store, recipes=recipes, stated=stated, emit=said.append)
    assert vendored_record(store, "sgl-kernel-npu", CELL) == first
    (note,) = said
    assert isinstance(note, Note)
    assert f"the earlier {ZIP}!output/{WHEEL} is still taken" in note.text
    assert f"`invoke vendored --remove {first.sha256[:12]}`" in note.text
    assert forget(store, first.sha256[:12]) == [first]
    assert vendored_record(store, "sgl-kernel-npu", CELL) == second
    said.clear()
    vendor_file(own, store=store, recipes=recipes, stated=stated, emit=said.append)
    assert said == []


def test_one_cann_in_two_spellings_is_one_cell(store: Store, recipes: Recipes, tmp_path: Path) -> None:
    for folder, cann in (("one", "8.3.RC2"), ("two", "8.3.rc2")):
        stated = NameFacts(version="20251206", npu="a3", cann=cann)
        (record,) = vendor_file(
            _wheel(tmp_path / folder, folder), store=store, recipes=recipes, stated=stated
        )
    assert list_vendored(store) == [record]
