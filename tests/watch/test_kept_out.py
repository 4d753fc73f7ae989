"""A release that another component of the stack does not take, since its own dependency list pins an older one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.origins.page import Offer
from ascend_wheelhouse.watch.asking import PublishedFiles
from ascend_wheelhouse.watch.components import Components
from ascend_wheelhouse.watch.findings import WatchFinding
from ascend_wheelhouse.watch.held import Watched
from ascend_wheelhouse.watch.tags import Tags

RECIPES = Path(__file__).parents[2] / "recipes"
PINNED, FREE = "sglang0.5.20-torch2.10.0-cann9.0.0", "sglang0.5.10.post1-torch2.10.0-cann9.0.0"


def _newer(*names: str) -> list[WatchFinding]:
    """Return what is told of stacks where the index has a MemFabric that is newer than all of theirs."""
    catalogue = load_catalogue(RECIPES)
    stacks = [one for one in catalogue.stacks if one.name in names]
    file = "memfabric_hybrid-99.0-cp311-cp311-manylinux_2_26_aarch64.whl"
    offer = Offer(filename=file, url=f"https://index.invalid/{file}")
    components = Components(
        watched=Watched(stacks=tuple(stacks), locks=()),
        stacks=stacks,
        recipes=catalogue.recipes,
        table=load_compatibility(RECIPES),
        files={"memfabric-hybrid": PublishedFiles(offers=(offer,))},
        tags=Tags(),
    )
    return [one for one in components.findings() if (one.kind, one.component) == ("new", "memfabric-hybrid")]


@pytest.mark.parametrize("names", [(PINNED,), (PINNED, FREE)])
def test_no_release_is_proposed_for_a_stack_whose_sglang_pins_another(names: tuple[str, ...]) -> None:
    (pinned,) = (one for one in _newer(*names) if PINNED in one.stacks)
    assert "sglang 0.5.20 asks for memfabric-hybrid==1.1.4: that would have to move first." in pinned.text
    assert not pinned.command


def test_it_is_proposed_where_nothing_keeps_it_out() -> None:
    (free,) = _newer(FREE)
    assert "would have to move first" not in free.text
    assert free.command == f"invoke watch --apply --only memfabric-hybrid --stack {FREE}"
