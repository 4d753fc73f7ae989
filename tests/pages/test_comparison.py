from __future__ import annotations

import json
from pathlib import Path

import pytest
from invoking import invoke
from page_reading import Page
from shown_wheelhouse import CELL, Shown

from ascend_wheelhouse.pages.comparison import compared, page
from ascend_wheelhouse.pages.view import WheelhouseView, read_view


def two(folder: Path) -> tuple[Path, Path]:
    """Return two wheelhouses: gamma is new, beta has another version, the cell another CANN, nnal is there."""
    old = Shown(stack="old").write(folder / "old")
    versions = {"alpha": "1.0", "beta": "3.0", "gamma": "1.0"}
    new = Shown(stack="new", versions=versions, cell=CELL | {"cann": "8.5.0"}, pending=False)
    return old, new.write(folder / "new")


def test_what_was_added_removed_and_changed_is_told_with_sizes_and_the_cell(tmp_path: Path) -> None:
    old, new = map(read_view, two(tmp_path))
    found = compared(old, new)
    assert [(one.name, one.kind, one.before, one.after) for one in found.parts] == [
        ("beta", "version", "2.0", "3.0"),
        ("gamma", "added", "", "1.0"),
    ]
    assert [(one.name, one.before, one.after) for one in found.cell] == [("cann", "8.3.RC2", "8.5.0")]
    assert found.lead == "1 added, 1 other version, 1 equal; in all +1.5 MB."
    assert found.supplied == ("nnal",)
    back = compared(new, old)
    assert [(one.name, one.kind, one.grows) for one in back.parts][1] == ("gamma", "removed", -1_500_000)
    assert back.newly_pending == ("nnal",)


def test_a_wheelhouse_does_not_differ_from_itself(tmp_path: Path) -> None:
    old = read_view(two(tmp_path)[0])
    found = compared(old, old)
    assert (found.parts, found.cell, found.same) == ((), (), 2)
    text = Page(page(found)).text
    assert "All 2 files are equal, byte for byte." in text
    assert "small-aarch64, lock 22222222" not in text
    assert "old-aarch64, lock 22222222 against old-aarch64, lock 22222222" in text


def test_equal_versions_of_other_bytes_are_told(tmp_path: Path) -> None:
    old, _ = two(tmp_path)
    document = json.loads((old / "manifest.json").read_text())
    before = read_view(old)
    document["files"][0]["sha256"] = "f" * 64
    (old / "manifest.json").write_text(json.dumps(document))
    assert [one.kind for one in compared(before, read_view(old)).parts] == ["content"]


def test_each_of_several_files_of_one_name_and_kind_is_told(tmp_path: Path) -> None:
    """One of them was compared, and the others neither told nor counted, though their sizes were."""
    folder, _ = two(tmp_path)
    document = json.loads((folder / "manifest.json").read_text())
    row = document["files"][0]

    def view(*files: tuple[str, str, str]) -> WheelhouseView:
        document["files"] = [
            row | {"path": f"wheels/{a}", "version": b, "sha256": c * 64} for a, b, c in files
        ]
        (folder / "manifest.json").write_text(json.dumps(document))
        return read_view(folder)

    a, b, c = ("a.whl", "1.0", "a"), ("b.whl", "1.0", "b"), ("c.whl", "2.0", "c")
    other = ("b.whl", "1.0", "d")
    found = compared(view(a, b), view(a, other, c))
    assert [(one.kind, one.before, one.after) for one in found.parts] == [
        ("content", "1.0", "1.0"),
        ("added", "", "2.0"),
    ]
    assert found.same == 1
    assert [one.kind for one in compared(view(a, b), view(b)).parts] == ["removed"]
    assert [one.kind for one in compared(view(b, a), view(a, c)).parts] == ["version"]
    assert compared(view(a, a), view(a, a)).same == 2


def test_the_page_of_a_comparison_has_headed_tables_and_shows_markup_as_text(tmp_path: Path) -> None:
    old, _ = two(tmp_path)
    hostile = "<script>alert(1)</script>"
    odd = Shown(stack="odd", versions={"alpha": hostile}, cell=CELL | {"cann": hostile}).write(
        tmp_path / "odd"
    )
    parsed = Page(page(compared(read_view(old), read_view(odd))))
    assert (parsed.open, parsed.mismatched) == ([], [])
    assert parsed.all("script") == []
    assert parsed.text.count(hostile) == 2
    assert all("scope" in one for one in parsed.all("th"))


def test_the_command_compares_in_the_terminal_as_json_and_as_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = two(tmp_path)
    words = ["show", "--wheelhouse", str(new), "--against", str(old)]
    assert invoke(*words) == 0
    told = capsys.readouterr().out
    assert "new-aarch64 against old-aarch64: 1 added, 1 other version" in told
    assert "cann  8.3.RC2  8.5.0" in told
    assert "no longer pending: nnal" in told
    assert invoke(*words, "--json", "--out", str(tmp_path / "c.html")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["comparison"]["sizes"] == [3_000_000, 4_500_000]
    assert answer["page"] == str(tmp_path / "c.html")
    assert "new-aarch64 against old-aarch64" in (tmp_path / "c.html").read_text()
