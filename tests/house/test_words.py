"""Words that had several meanings here, and what is said in their place; docs/inside.md names the packages."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTEAD = {
    "room": "package, workspace, folder, space",
    "door": "client, entry, the name of the class or module",
    "doorman": "name server",
    "moment": "time, limit, point",
    "aloud": "with events",
    "crew": "workers",
}
_WORD = re.compile(rf"(?<![A-Za-z])({'|'.join(INSTEAD)})s?(?![a-z])", re.IGNORECASE)
_OWN = {Path(__file__).name, "test_glossary.py"}
"""They name the words to refuse them, in code and in documents."""


def words_in(text: str) -> set[str]:
    """Return the words of the list in a text, names of code included: `run_door` and `KILL_MOMENTS` too."""
    return {found[1].lower() for found in _WORD.finditer(text)}


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks"])
def test_no_word_with_several_meanings_is_used(folder: str) -> None:
    paths = [path for path in (ROOT / folder).rglob("*.py") if path.name not in _OWN]
    found = {str(path.relative_to(ROOT)): words_in(path.read_text("utf-8")) for path in paths}
    assert {path: words for path, words in found.items() if words} == {}, INSTEAD


def test_a_word_is_found_within_names() -> None:
    assert words_in("def by_run_door(KILL_MOMENTS, Room): ...") == {"door", "moment", "room"}
    assert words_in("mushroom, indoors and momentum") == set()
