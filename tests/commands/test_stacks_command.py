"""`invoke stacks`: the choice on one screen, in JSON, and as the README has it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.derive import cell_for
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.stack import Catalogue, load_catalogue
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.commands.stacks import markdown, shown
from ascend_wheelhouse.make.stack_views import StackView, stack_views

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "recipes")


@pytest.fixture(scope="module")
def views(catalogue: Catalogue) -> list[StackView]:
    return stack_views(catalogue, ROOT / "lockfiles")


def test_every_stack_is_shown_with_where_it_is_known_from(views: list[StackView]) -> None:
    text = "\n".join(shown(views))
    assert {one.name for one in views} == {path.stem for path in (ROOT / "recipes/stacks").glob("*.toml")}
    for one in views:
        assert f"\n{one.name}: " in text
        assert one.sources
        assert f"\n  {one.words}\n  known from" in text


def test_no_line_is_wider_than_a_terminal(views: list[StackView]) -> None:
    lines = list(shown(views))
    assert max(len(line) for line in lines) <= 80
    assert max(len(line) for line in shown(views, width=60)) <= 65  # a command and a path stay whole
    assert lines[0].split() == ["torch", "application", "CANN", "chips", "Python", "locked"]


def test_the_words_of_a_stack_choose_it(catalogue: Catalogue, views: list[StackView]) -> None:
    table = load_compatibility(ROOT / "recipes")
    for one in views:
        words = dict(zip(one.words.split()[::2], one.words.split()[1::2], strict=True))
        asked = {name.removeprefix("--"): value for name, value in words.items()}
        for machine in one.platforms:
            target = Target.named(machine)
            request = Request(torch=asked.pop("torch", "2.8.0"), target=target, **asked)
            asked["torch"] = request.torch
            assert cell_for(request, catalogue, table, lambda _name: []).stack == one.name


def test_upstreams_pairs_are_there(views: list[StackView]) -> None:
    pairs = {(one.release, one.components["torch"], one.cann) for one in views}
    assert {
        ("0.5.10.post1", "2.8.0", "8.5.0"),
        ("0.5.10.post1", "2.10.0", "9.0.0"),
        ("0.5.23", "2.10.0", "9.0.0"),
        ("0.5.23", "2.10.0", "9.1.0"),
    } <= pairs


def test_what_is_locked_and_pending_is_read_off_the_locks(views: list[StackView]) -> None:
    guide = next(one for one in views if one.name == "torch2.8.0-cann8.3.rc2")
    assert guide.locked.startswith("aarch64")
    assert "cann-toolkit" in guide.locks[0].pending
    assert guide.locks[0].wheels > 100
    assert guide.as_dict()["cann"] == "8.3.RC2"


def test_the_readmes_table_has_a_row_a_stack(views: list[StackView]) -> None:
    rows = markdown(views).splitlines()
    assert len(rows) == len(views) + 2
    assert rows[2].endswith(f"| `{views[0].words}` |")


@pytest.mark.parametrize(
    ("behind", "told"),
    [
        ("-py3.12", "aarch64 Python 3.12"),
        ("-glibc2.34", "aarch64 glibc 2.34"),
        ("-glibc2.34-py3.12", "aarch64 glibc 2.34 Python 3.12"),
        ("-diffusion", "on first use"),
    ],
)
def test_a_lock_for_nodes_with_another_python_is_listed(
    catalogue: Catalogue, tmp_path: Path, behind: str, told: str
) -> None:
    """A lock with an extra is of another cell."""
    place = tmp_path / f"sglang0.5.6.post2-torch2.8.0-cann8.5.0-a3{behind}"
    shutil.copytree(ROOT / "lockfiles/sglang0.5.6.post2-torch2.8.0-cann8.5.0-a3", place)
    glibc, python = ("2.34" if "glibc" in behind else "2.28"), ("3.12" if "py3" in behind else "3.11")
    lock = place / "pylock.aarch64.toml"
    text = lock.read_text().replace('python = "3.11"', f'python = "{python}"')
    lock.write_text(text.replace('glibc = "2.28"', f'glibc = "{glibc}"'))
    (one,) = [one for one in stack_views(catalogue, tmp_path) if one.name == "torch2.8.0-cann8.5.0"]
    assert one.locked == told
