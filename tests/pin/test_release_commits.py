"""From the compatibility table to the source that a build starts from: the commit of the release, not a branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.stack import choose, load_catalogue
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.pin.locate import Locator, ToBuild

RECIPES = Path(__file__).parents[2] / "recipes"


def never(*_asked: object) -> LockedFile:
    raise AssertionError("a build from source asks no other origin")


@pytest.mark.parametrize(
    ("torch", "cann", "ref"),
    [
        ("2.8.0", "8.5.0", "729dda3516b997462560a1e12b06a8efb9288494"),
        ("2.9.0", "8.5.0", "12d689a08941d4a6e45eab16e3ad6fef96a9affd"),
        ("2.10.0", "9.1.0", "5dd8ef3f9b375b5ae4a83538d5785754148c3302"),
    ],
)
def test_a_build_of_torch_npu_starts_from_the_commit_that_its_published_wheel_names(
    torch: str, cann: str, ref: str
) -> None:
    catalogue = load_catalogue(RECIPES)
    cell = choose(catalogue, torch=torch, target=Target.named("aarch64"), cann=cann)
    assert cell is not None
    locator = Locator(
        cell=cell,
        recipes=catalogue.recipes,
        table=load_compatibility(RECIPES),
        http=Http(),
        vendored=lambda _component, _cell: None,
        release=never,
        build=frozenset({"torch-npu"}),
    )
    answer = locator.locate("torch-npu")
    assert isinstance(answer, ToBuild)
    assert answer.origin.kind == "git"
    fields = locator.fields(answer.recipe)
    assert answer.origin.ref.format_map(fields) == ref
    assert fields["branch"] == f"v{torch}-{fields['ascend']}"


def test_every_release_of_the_table_has_its_own_commit() -> None:
    commits = [row.commit for row in load_compatibility(RECIPES).torch_npu]
    assert all(commits)
    assert len(set(commits)) == len(commits)
