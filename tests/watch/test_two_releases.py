"""vLLM and vllm-ascend move in one version or not at all: a release of the one is made for that of the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.stack import Stack, load_catalogue
from ascend_wheelhouse.origins.page import Offer
from ascend_wheelhouse.watch.asking import PublishedFiles
from ascend_wheelhouse.watch.components import Components
from ascend_wheelhouse.watch.findings import WatchFinding
from ascend_wheelhouse.watch.held import Watched
from ascend_wheelhouse.watch.moves import of_two_releases
from ascend_wheelhouse.watch.refused import TwoReleasesError, hold_together
from ascend_wheelhouse.watch.tags import Tags

RECIPES = Path(__file__).parents[2] / "recipes"
NAME = "vllm-ascend0.13.0-torch2.8.0-cann8.5.0"


@pytest.mark.parametrize(
    ("vllm", "plugin", "apart"),
    [
        ("0.33.0", "0.23.0", True),
        ("0.13.0", "0.18.0", True),
        ("0.13.1", "0.13.0", True),
        ("0.15.0", "0.14.0rc1", True),
        ("0.14.1", "0.14.0rc1", False),
        ("0.13.0", "0.13.0", False),
        ("0.7.3", "0.7.3.post1", False),
    ],
)
def test_releases_that_are_not_for_each_other_are_told(vllm: str, plugin: str, *, apart: bool) -> None:
    told = of_two_releases({"vllm": vllm, "vllm-ascend": plugin, "torch": "2.8.0"})
    assert told == (f"vllm {vllm} and vllm-ascend {plugin}" if apart else "")


def test_one_of_them_alone_is_not_apart() -> None:
    assert not of_two_releases({"vllm": "0.33.0", "sgl-kernel-npu": "2026.6.1", "deep-ep": "2026.6.2"})


def _stack(recipes: Path) -> Stack:
    return next(one for one in load_catalogue(recipes).stacks if one.name == NAME)


def _news(vllm: str, plugin: str) -> dict[str, WatchFinding]:
    """Return what is told of the stack where the index has one release more of each."""
    catalogue, stack = load_catalogue(RECIPES), _stack(RECIPES)
    offered = {
        "vllm": f"vllm-{vllm}.tar.gz",
        "vllm-ascend": f"vllm_ascend-{plugin}-cp311-cp311-manylinux_2_24_aarch64.whl",
    }
    components = Components(
        watched=Watched(stacks=(stack,), locks=()),
        stacks=[stack],
        recipes=catalogue.recipes,
        table=load_compatibility(RECIPES),
        files={
            name: PublishedFiles(offers=(Offer(filename=file, url=f"https://index.invalid/{file}"),))
            for name, file in offered.items()
        },
        tags=Tags(),
    )
    return {
        one.component: one for one in components.findings() if one.kind == "new" and one.component in offered
    }


def test_no_command_is_proposed_that_would_put_two_releases_beside_each_other() -> None:
    apart = _news("0.33.0", "0.23.0")
    assert sorted(apart) == ["vllm", "vllm-ascend"]
    for one in apart.values():
        assert not one.command
        assert "vllm 0.33.0 and vllm-ascend 0.23.0 are not for each other" in one.text


def test_both_in_one_version_are_proposed_together() -> None:
    together = _news("0.18.0", "0.18.0")
    assert sorted(together) == ["vllm", "vllm-ascend"]
    for one in together.values():
        assert one.command == f"invoke watch --apply --only vllm,vllm-ascend --stack {NAME}"


def test_a_stack_in_which_one_moved_alone_is_refused(tmp_path: Path) -> None:
    recipes = shutil.copytree(RECIPES, tmp_path / "recipes")
    hold_together([_stack(recipes)])
    file = recipes / f"stacks/{NAME}.toml"
    file.write_text(file.read_text().replace('vllm = "0.13.0"', 'vllm = "0.33.0"'))
    with pytest.raises(TwoReleasesError, match=r"would have vllm 0\.33\.0 and vllm-ascend 0\.13\.0"):
        hold_together([_stack(recipes)])
