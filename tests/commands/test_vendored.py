"""`invoke vendored --remove`: an import that was a mistake is taken back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_wheels import write_wheel

from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.commands import vendored
from ascend_wheelhouse.commands.vendored import NotImportedError, VendoredOptions
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord, list_vendored

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[VendoredRecord]:
    """A store with two imported wheels."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    recipes = load_recipes(RECIPES)
    for name in ("decorator-5.1.1-py3-none-any.whl", "mf_adapter-1.0.0-py3-none-any.whl"):
        vendor_file(write_wheel(tmp_path, name), store=Store(), recipes=recipes)
    return list_vendored(Store())


@pytest.mark.parametrize("by", ["name", "digits"])
def test_one_is_taken_back_and_the_other_stays(
    two: list[VendoredRecord], capsys: pytest.CaptureFixture[str], by: str
) -> None:
    gone, stays = two
    vendored.main(VendoredOptions(remove=gone.filename if by == "name" else gone.sha256[:12].upper()))
    assert list_vendored(Store()) == [stays]
    assert Store().has(gone.sha256)
    assert f"{gone.filename} (any lock) is no longer imported" in capsys.readouterr().out


def test_what_was_taken_back_is_told_as_json(
    two: list[VendoredRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    vendored.main(VendoredOptions(remove=two[1].filename, json=True))
    assert json.loads(capsys.readouterr().out) == [two[1].as_dict()]


@pytest.mark.parametrize("name", ["nothing.whl", "", "a", "decorator"])
def test_what_was_not_imported_is_told(two: list[VendoredRecord], name: str) -> None:
    if name:
        with pytest.raises(NotImportedError) as refused:
            vendored.main(VendoredOptions(remove=name))
        assert refused.value.exit_code == 2
    assert list_vendored(Store()) == two


def test_records_that_cannot_be_listed_are_an_error_and_not_left_out(
    two: list[VendoredRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`invoke cache --prune` removed what they name. Tests may run as root, whom no rights keep out."""
    closed = Store().root / "vendored" / two[0].component

    def refusing(original: Callable[..., Any]) -> Callable[..., Any]:
        def listed(path: str | Path = ".") -> Any:  # noqa: ANN401 - of two functions
            if Path(path) == closed:
                raise PermissionError(13, "Permission denied", str(path))
            return original(path)

        return listed

    monkeypatch.setattr(os, "listdir", refusing(os.listdir))
    monkeypatch.setattr(os, "scandir", refusing(os.scandir))
    with pytest.raises(PermissionError):
        list_vendored(Store())
