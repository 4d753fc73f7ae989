import re
from pathlib import Path

import pytest

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.commands.stacks import markdown
from ascend_wheelhouse.commands.tasks import collection
from ascend_wheelhouse.make.stack_views import stack_views

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    and not path.is_relative_to(ROOT / "build")  # where setuptools copies what it packs
]
STACKS = "<!-- stacks: what `invoke stacks --markdown` prints, kept equal by a test -->"


def _table_under(heading: str) -> list[list[str]]:
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_table_of_stacks_is_that_of_invoke_stacks() -> None:
    views = stack_views(load_catalogue(ROOT / "recipes"), ROOT / "lockfiles")
    assert f"{STACKS}\n{markdown(views)}\n\n" in README


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.WheelhouseError)}
    assert {int(row[0]) for row in _table_under("Exit codes")} == (codes - {1}) | {0, 129, 130, 141, 143}


def test_the_table_of_commands_names_every_task_and_no_other() -> None:
    tasks = collection(ROOT).task_names
    told = re.findall(r"`invoke ([a-z-]+)", " ".join(row[0] for row in _table_under("Commands")))
    assert sorted(told) == sorted(tasks)


def test_every_session_that_the_readme_names_is_there() -> None:
    sessions = re.findall(r"^def ([a-z]\w*)\(", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE)
    told = {word for words in re.findall(r"nox -s ([a-z_ ]+)", README) for word in words.split()}
    assert told <= set(sessions)


@pytest.mark.parametrize("document", sorted(path.relative_to(ROOT).as_posix() for path in DOCUMENTS))
def test_links_between_documents_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (ROOT / document).parent.joinpath(link).exists()] == []


def test_every_document_is_in_the_list_of_documents() -> None:
    listed = (ROOT / "docs" / "README.md").read_text("utf-8")
    names = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    assert [name for name in names if f"({name})" not in listed] == []
