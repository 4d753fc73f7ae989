"""A new release is told from the version that the stacks of the finding have, with what goes with those stacks."""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.origins.page import Offer
from ascend_wheelhouse.watch.asking import PublishedFiles
from ascend_wheelhouse.watch.components import Components
from ascend_wheelhouse.watch.findings import WatchFinding
from ascend_wheelhouse.watch.held import Watched
from ascend_wheelhouse.watch.tags import Tags

RECIPES = Path(__file__).parents[2] / "recipes"
NAME = "memfabric-hybrid"
OLD, MIDDLE, NEW = (
    "sglang0.5.10.post1-torch2.8.0-cann8.5.0",
    "sglang0.5.10.post1-torch2.10.0-cann9.0.0",
    "sglang0.5.20-torch2.10.0-cann9.0.0",
)


def _news(*watched: str) -> list[WatchFinding]:
    """Return what is told of stacks that have 1.0.5, 1.0.8 and 1.1.4, where the index has 1.3.0."""
    catalogue = load_catalogue(RECIPES)
    stacks = [one for one in catalogue.stacks if one.name in {OLD, MIDDLE, NEW}]
    offer = Offer(
        filename="memfabric_hybrid-1.3.0-cp311-cp311-manylinux_2_28_aarch64.whl", url="https://x.example/"
    )
    components = Components(
        watched=Watched(stacks=tuple(one for one in stacks if one.name in watched), locks=()),
        stacks=stacks,
        recipes=catalogue.recipes,
        table=load_compatibility(RECIPES),
        files={NAME: PublishedFiles(offers=(offer,))},
        tags=Tags(of={}, silent={}),
    )
    return [one for one in components.findings() if one.kind == "new" and one.component == NAME]


def test_stacks_of_two_versions_are_two_findings() -> None:
    told = {one.before: one.stacks for one in _news(OLD, MIDDLE, NEW)}
    assert told == {"1.0.5": (OLD,), "1.0.8": (MIDDLE,), "1.1.4": (NEW,)}


def test_what_a_stack_out_of_sight_has_is_not_told_as_its_version() -> None:
    [told] = _news(OLD)
    assert (told.before, told.after) == ("1.0.5", "1.3.0")


def test_what_goes_with_another_release_of_sglang_is_not_told() -> None:
    [old], [new] = _news(OLD), _news(NEW)
    assert "sglang >=0.5.10,<0.5.20 goes with 1.0.8" in old.text
    assert ">=0.5.8,<0.5.10" not in old.text
    assert "goes with" not in new.text
