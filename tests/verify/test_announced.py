"""`--known` that announces nothing is told at once, and not after an hour as the failure that it was for."""

from __future__ import annotations

import pytest

from ascend_wheelhouse.node.verify.announced import WITH_ITEMS, UnknownFailureError, known_failures

WRONG = {
    "import=no CUDA": ("names no probe", "--known 'imports=no CUDA'"),
    "import/torch_npu=why": ("names no probe", "--known imports/torch_npu=why"),
    "xyzzy=why": ("names no probe", "--known PROBE=why"),
    "server/chat=why": ("an item of a probe that has none", "--known server=why"),
    "imports": ("has no reason", "--known PROBE[/ITEM]=REASON"),
    "=why": ("has no reason", "--known PROBE[/ITEM]=REASON"),
}


@pytest.mark.parametrize(("word", "told"), WRONG.items(), ids=WRONG)
def test_a_mistyped_announcement_is_refused_with_the_nearest_that_there_is(
    word: str, told: tuple[str, str]
) -> None:
    with pytest.raises(UnknownFailureError) as caught:
        known_failures([word])
    assert told[0] in caught.value.what
    assert caught.value.next_step == told[1]


def test_probes_and_their_items_are_announced() -> None:
    words = ["server=slow = bad", *(f"{probe}/item=why" for probe in WITH_ITEMS)]
    assert known_failures(words) == {"server": "slow = bad"} | {
        f"{probe}/item": "why" for probe in WITH_ITEMS
    }
