"""The line of each key of a TOML text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ascend_wheelhouse.base.toml_lines import lines_of

TEXT = '''# a remark [not] = "a key"
[axes]
stack = [ "a", # "b"
  "c]", """one
two""", 'd']
"quoted key".sub = { a = 1, b = [1,
  2] }

[[exclude]]
npu = 'a3'
[[exclude]]
when = 1979-05-27T07:32:00Z
[exclude.deeper]
x = -1.5e3
'''


def paths(value: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the key path of everything below a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*above, key)
        yield from paths(inner, (*above, key))


def test_everything_that_a_text_says_has_a_line() -> None:
    assert set(lines_of(TEXT)) == set(paths(tomllib.loads(TEXT)))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("axes",), 2),
        (("axes", "stack", 0), 3),
        (("axes", "stack", 1), 4),
        (("axes", "stack", 2), 4),
        (("axes", "stack", 3), 5),
        (("axes", "quoted key", "sub", "b", 1), 7),
        (("exclude", 0), 9),
        (("exclude", 1, "when"), 12),
        (("exclude", 1, "deeper", "x"), 14),
    ],
)
def test_a_line_is_the_one_where_the_key_or_the_value_begins(path: tuple[str | int, ...], line: int) -> None:
    assert lines_of(TEXT)[path] == line


@example("'\n'")
@given(st.text(alphabet="[]{}=,.#\"'a1 \n\\", max_size=60))
def test_any_text_ends(text: str) -> None:
    """What is no TOML gives the lines up to there; what is gives a line for everything."""
    found = lines_of(text)
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(paths(said)) <= set(found)
