"""The documentation site; `nox -s docs` builds the whole of it, strictly, and checks its links."""

import subprocess
import sys
from pathlib import Path

import pytest
from check import Fault, faults
from pages import LIST, commands, exit_codes, filled, navigation

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.commands.tasks import collection

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "docs"


def _built(place: Path, **pages: str) -> subprocess.CompletedProcess[str]:
    """Build a site of a few pages with the settings of the real one."""
    (place / "docs/site/static").mkdir(parents=True)
    for name in ("conf.py", "pages.py", "static/site.css"):
        (place / "docs/site" / name).write_bytes((DOCUMENTS / "site" / name).read_bytes())
    rows = "\n".join(f"| [{name}.md]({name}.md) | |" for name in pages)
    (place / "docs/README.md").write_text(f"# List\n\n## How to\n\n| page | |\n|---|---|\n{rows}\n")
    for name, text in pages.items():
        (place / f"docs/{name}.md").write_text(text)
    words = ["-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-c", "docs/site", ".", "site"]
    return subprocess.run(
        [sys.executable, *words], cwd=place, capture_output=True, text=True, check=False, timeout=120
    )


def test_every_listed_document_is_in_the_navigation_and_nothing_is_fetched(tmp_path: Path) -> None:
    done = _built(tmp_path, one="# First\n\n[there](two.md#a-part)\n", two="# Second\n\n## A part\n\nText.\n")
    assert done.returncode == 0, done.stderr
    assert faults(tmp_path / "site") == []
    page = (tmp_path / "site/docs/two.html").read_text()
    assert 'href="one.html">First</a>' in page
    assert '<span class="caption-text">How to</span>' in page


@pytest.mark.parametrize("link", ["two.md#no-such-part", "three.md", "#no-such-part", "../no/such/file.txt"])
def test_a_link_that_leads_nowhere_stops_the_build(tmp_path: Path, link: str) -> None:
    done = _built(tmp_path, one=f"# First\n\n[there]({link})\n", two="# Second\n\n## A part\n\nText.\n")
    assert done.returncode == 1
    assert "docs/one.md:3: WARNING" in done.stderr


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<link rel="stylesheet" href="https://cdn.example/a.css">', "fetches https://cdn.example/a.css"),
        ('<link rel="preconnect" href="//fonts.example">', "fetches //fonts.example"),
        ('<script src="http://cdn.example/a.js"></script>', "fetches http://cdn.example/a.js"),
        ('<img src="https://pictures.example/a.svg">', "fetches https://pictures.example/a.svg"),
        ('<p style="background: url(https://e.example/a.png)">', "fetches https://e.example/a.png"),
        ("<style>@import 'https://e.example/a.css';</style>", "fetches https://e.example/a.css"),
        ('<img src="a.png">', "lacks a.png"),
        ('<a href="other.html">x</a>', "leads nowhere: other.html"),
        ('<a href="#part">x</a>', "leads nowhere: #part"),
        ('<a href="index.html#part">x</a>', "leads nowhere: index.html#part"),
    ],
)
def test_what_a_page_lacks_or_fetches_is_found(tmp_path: Path, body: str, told: str) -> None:
    (tmp_path / "index.html").write_text(f'<a href="https://elsewhere.example/">allowed</a>{body}')
    assert faults(tmp_path) == [Fault("index.html", told)]


def test_a_style_sheet_that_fetches_is_found_and_an_empty_site_is_none(tmp_path: Path) -> None:
    assert faults(tmp_path) == [Fault("", "no page at all")]
    (tmp_path / "index.html").write_text('<p id="part"><a href="#part">x</a><a href="a.css">y</a>')
    (tmp_path / "a.css").write_text("@font-face { src: url(https://fonts.example/a.woff2) }")
    assert faults(tmp_path) == [Fault("a.css", "fetches https://fonts.example/a.woff2")]


def test_the_reference_holds_every_command_with_each_option_as_help_prints_it() -> None:
    text = commands()
    for context in collection(ROOT).to_contexts():
        section = text.split(f"## {context.name}\n", 1)[1].split("\n## ", 1)[0]
        for argument in context.args.values():
            told = (
                str(argument.name).upper()
                if argument.positional
                else f"{argument.names[0].replace('_', '-')}"
            )
            assert told in section
            if not argument.positional:
                assert argument.help
                assert argument.help.replace("<", "&lt;") in section


def test_the_reference_holds_every_exit_code_of_the_errors() -> None:
    rows = [line.split(" | ") for line in exit_codes().splitlines()[2:]]
    told = {int(code.strip("| ")): kind.strip("`") for code, kind, _ in rows}
    assert told == {getattr(errors, kind).exit_code: kind for kind in told.values()}
    assert set(told) == {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 70}


def test_what_is_made_from_the_code_takes_the_place_of_its_comment() -> None:
    page = filled((DOCUMENTS / "commands.md").read_text("utf-8"))
    assert "made:" not in page
    assert "## wheelhouse\n\n`invoke wheelhouse`\n\nMake a wheelhouse:" in page


def test_every_document_of_this_project_is_in_the_navigation() -> None:
    made = navigation((ROOT / f"{LIST}.md").read_text("utf-8"))
    names = {path.stem for path in DOCUMENTS.glob("*.md")} - {"README"}
    assert names <= set(made.split())
