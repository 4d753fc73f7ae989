"""Holds what a user reads to docs/words.md and to sentences that are read once."""

from __future__ import annotations

import ast
import inspect
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from plain_text import cells, length, prose, sentences

from ascend_wheelhouse.commands.tasks import collection

ROOT = Path(__file__).parents[2]
WORDS = (ROOT / "docs/words.md").read_text("utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("*/README.md"))]
LONGEST = 35
"""Words of a sentence; what is longer is read twice."""
LONGEST_CELL = 30
A_LIST = 5
"""Commas of a table's cell from which on it is a list, which nobody reads as one sentence."""
MEAN = 20
"""Words of a sentence, over a document."""
RIDDLES = [
    "is not a .zip file inside",
    "ask its origins",
    "find the file of",
    "the rest is theirs",
    "no hand-over names",
    "the way of the data",
    "the command that mends",
    "nodes of either",
    "in that moment",
]
"""Sentences at which readers stopped."""
SAID_BEFORE = ["moment", "aloud", "crew", "doorman", "door", "room"]
PLAIN = set((Path(__file__).parent / "plain_words.txt").read_text("utf-8").split())
"""Words of the language and of the field that are a name in the code as well: they need no explanation."""


def _rows() -> list[list[str]]:
    lines = [line for line in WORDS.splitlines() if line.startswith("| ") and "|---" not in line]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if "| meaning |" not in line
    ]


TERMS = {
    word
    for row in _rows()
    for term in row[0].split(",")
    for word in (term.strip().lower(), *term.lower().split())
}
INSTEAD = {word.strip(): row[0] for row in _rows() for word in row[2].split(",") if word.strip()}


def _helps() -> Iterator[tuple[str, str]]:
    tasks = collection(ROOT)
    for context in tasks.to_contexts():
        yield f"invoke {context.name}", inspect.getdoc(tasks.tasks[context.name]) or ""
        for argument in context.args.values():
            yield f"invoke {context.name} --{argument.name}", argument.help or ""


def _messages() -> Iterator[tuple[str, str]]:
    """Yield the texts of errors, notes and tables: every string of more than three words that is no docstring."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
                body[0].value = ast.Constant(value=None)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") > 2:
                yield str(path.relative_to(ROOT)), node.value


def _documents() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        if path.name == "words.md":
            text = "\n".join(f"| {row[0]} | {row[1]} |" for row in _rows())
        for part in (*prose(text), *cells(text)):
            yield str(path.relative_to(ROOT)), part


def _pattern(words: list[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, words))})s?(?![\w-])", re.IGNORECASE)


def found(text: str) -> set[str]:
    """Return the refused words of a text."""
    return {hit[1].lower() for hit in _pattern([*INSTEAD, *SAID_BEFORE, *RIDDLES]).finditer(text)}


def test_no_text_for_users_has_a_word_that_another_stands_for() -> None:
    """docs/words.md names the word to take."""
    texts = [*_helps(), *_messages(), *_documents()]
    faults = [(where, sorted(hits), text) for where, text in texts if (hits := found(text))]
    assert faults == []


def test_refused_words_are_found_in_whatever_case_and_number() -> None:
    assert found("Mends what was handed over, on either machine.") == {
        "mend",
        "handed over",
        "either machine",
    }
    assert found("a recommended mushroom, hand-overs") == {"hand-over"}


def test_every_word_is_explained_once() -> None:
    named = [term.strip().lower() for row in _rows() for term in row[0].split(",")]
    assert sorted(named) == sorted(set(named))
    assert all(row[1] for row in _rows())


def _names_in_the_code() -> set[str]:
    """Return the words that packages, modules and commands are named by: what the program is made of."""
    paths = (ROOT / "src/ascend_wheelhouse").rglob("*.py")
    names = {part for path in paths for name in (path.stem, path.parent.name) for part in name.split("_")}
    return names | {part for name in collection(ROOT).task_names for part in (name, *str(name).split("-"))}


def _forms(word: str) -> set[str]:
    return {word, *(word.removesuffix(end) for end in ("s", "es", "d", "ed"))}


def unexplained(text: str, names: set[str]) -> set[str]:
    """Return the words of a help text that stand for something of this tool and are in no list."""
    words = {word.lower() for word in re.findall(r"[A-Za-z][a-z-]{2,}", re.sub(r"`[^`]*`", "", text))}
    return {word for word in words if _forms(word) & names and not _forms(word) & (TERMS | PLAIN)}


def test_every_word_of_this_tool_in_a_help_text_is_explained() -> None:
    """Explain it in docs/words.md; what needs no explanation goes into plain_words.txt."""
    names = _names_in_the_code()
    texts = [(where, text) for where, text in _helps()]
    texts += [("invoke --list", str(name)) for name in collection(ROOT).task_names]
    assert [(where, hits) for where, text in texts if (hits := unexplained(text, names))] == []


def test_a_word_of_this_tool_that_nobody_explains_is_found() -> None:
    assert unexplained("Undo the freezers, with a `freezer`.", {"freezer", "thaw"}) == {"freezers"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sentences_are_read_once(path: Path) -> None:
    text = path.read_text("utf-8")
    long = [(length(one), one) for one in sentences(text) if length(one) > LONGEST]
    long += [
        (length(one), one) for one in cells(text) if length(one) > LONGEST_CELL and one.count(", ") < A_LIST
    ]
    assert long == []
    lengths = [length(one) for one in sentences(text)]
    assert statistics.mean(lengths) <= MEAN


def test_help_is_one_short_sentence() -> None:
    assert [(where, text) for where, text in _helps() if not 0 < length(text) <= LONGEST_CELL] == []
