from __future__ import annotations

import pytest

from ascend_wheelhouse.build.time_left import TimeLeft


def left(lines: list[tuple[float, str]]) -> float | None:
    """Return what is said after the last of some lines, each with its second."""
    reader = TimeLeft()
    said = None
    for now, line in lines:
        said = reader.after(line, now)
    return said


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("[100/2000] Building CXX a.o", "[300/2000] Building CXX b.o"),
        ("[  5%] Building a", "[ 15%] Building b"),
    ],
)
def test_the_rate_of_ninja_and_of_make_gives_the_time_that_is_left(first: str, second: str) -> None:
    assert left([(0.0, first), (20.0, second)]) == pytest.approx(170.0)


def test_what_came_out_of_the_cache_at_once_does_not_make_the_rest_look_short() -> None:
    lines = [(second / 100, f"[{second}/2000] Building") for second in range(1, 1001)]
    lines += [(10.0 + 10 * step, f"[{1000 + step}/2000] Building") for step in range(1, 31)]
    said = left(lines)
    assert said is not None
    assert said == pytest.approx(9700.0)


@pytest.mark.parametrize("line", ["running build_ext", "[0/0] nothing", "[ 1 of 2 ]"])
def test_nothing_is_said_of_what_is_no_count(line: str) -> None:
    assert left([(0.0, "[1/9] a"), (60.0, line)]) is None


def test_nothing_is_said_at_first() -> None:
    assert left([(0.0, "[1/9] a"), (1.0, "[2/9] b")]) is None


def test_a_second_tool_counts_from_its_own_start() -> None:
    assert left([(0.0, "[1/100] a"), (50.0, "[100/100] b"), (60.0, "[1/10] c"), (70.0, "[2/10] d")]) == (
        pytest.approx(80.0)
    )
