from __future__ import annotations

import re
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_wheelhouse.pages.layers import HEIGHT, WIDTH, draw, reduced

few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
NAMES = [f"n{number}" for number in range(14)]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, set[str]]:
    """Return needs without circles: each name needs some of those after it."""
    count = draw(st.integers(0, len(NAMES)))
    names = NAMES[:count]
    return {
        name: set(draw(st.lists(st.sampled_from(names[at + 1 :]), max_size=4))) if names[at + 1 :] else set()
        for at, name in enumerate(names)
    }


@few
@given(graphs())
def test_boxes_do_not_overlap_and_lie_in_the_picture(needs: dict[str, set[str]]) -> None:
    drawing = draw(needs)
    assert drawing.boxes.keys() == needs.keys()
    for x, y in drawing.boxes.values():
        assert 0 <= x <= drawing.width - WIDTH
        assert 0 <= y <= drawing.height - HEIGHT
    for (x1, y1), (x2, y2) in combinations(drawing.boxes.values(), 2):
        assert abs(x1 - x2) >= WIDTH or abs(y1 - y2) >= HEIGHT


@few
@given(graphs())
def test_every_line_leads_down_from_the_box_that_needs_to_the_box_that_is_needed(
    needs: dict[str, set[str]],
) -> None:
    drawing = draw(needs)
    assert set(drawing.lines) == {(above, below) for above, others in needs.items() for below in others}
    for (above, below), path in drawing.lines.items():
        numbers = [int(text) for text in re.findall(r"-?\d+", path)]
        assert numbers[:2] == [drawing.boxes[above][0] + WIDTH // 2, drawing.boxes[above][1] + HEIGHT]
        assert numbers[-1] == drawing.boxes[below][1]
        assert drawing.boxes[above][1] < drawing.boxes[below][1]


@few
@given(graphs())
def test_reduced_needs_reach_the_same_and_hold_no_shortcut(needs: dict[str, set[str]]) -> None:
    kept = reduced(needs)
    for name in needs:
        assert reached(kept, name) == reached(needs, name)
        assert not any(far in reached(kept, near) for near in kept[name] for far in kept[name])


def test_a_circle_of_needs_is_drawn_without_the_need_that_closes_it() -> None:
    kept = reduced({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert kept == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert len(draw(kept).boxes) == 3


def reached(needs: dict[str, set[str]], name: str) -> set[str]:
    found: set[str] = set()
    todo = list(needs[name])
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += needs[one]
    return found
