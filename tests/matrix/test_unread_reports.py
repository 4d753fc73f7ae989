"""Reports of verifications that nobody can read: a cell that they are of is not told as verified without a word."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.commands.verify_report import VerifyReportOptions, main
from ascend_wheelhouse.matrix import page, tell
from ascend_wheelhouse.matrix.standing import Standing, standing_of
from ascend_wheelhouse.matrix.verified import UnreadReport

_OTHERS = {"report.json": "[]", "ansible/report.json": '{"nodes": []}'}


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    files = {
        **_OTHERS,
        "cut/report.json": '{"schema": 1, "wheelhouse": {"sta',
        "newer/report.json": '{"schema": 2, "wheelhouse": {}, "results": []}',
        "odd.verify.json": '{"schema": 1, "wheelhouse": {}, "results": [7]}',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def locked_up(reports: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that this user may not list; root may, so the system's refusal is made."""
    folder, listed = reports / "locked", os.scandir
    folder.mkdir()

    def refuses(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path) == str(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuses)
    return folder


def test_each_is_told_with_its_reason(locked_up: Path) -> None:
    reports = locked_up.parent
    found = standing_of([], reports, strict=False)
    whys = {Path(one.path).relative_to(reports).as_posix(): one.why for one in found.unread}
    assert sorted(whys) == ["cut/report.json", "locked", "newer/report.json", "odd.verify.json"]
    assert whys["locked"] == "Permission denied"
    assert "has schema 2; this version reads 1" in whys["newer/report.json"]


def test_a_folder_without_reports_has_nothing_to_tell(tmp_path: Path) -> None:
    assert standing_of([], tmp_path / "none", strict=False).unread == ()


def test_the_table_the_page_and_json_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = Standing(rows=(), unread=(UnreadReport(path="verify-reports/<a>", why="Permission denied"),))
    tell.show(found)
    assert "verify-reports/<a>" in capsys.readouterr().out
    assert "verify-reports/&lt;a&gt;: Permission denied" in page.render(found)
    assert json.loads(json.dumps(tell.document(found)))["unread"] == [
        {"path": "verify-reports/<a>", "why": "Permission denied"}
    ]


def test_a_page_of_many_nodes_is_not_made_without_those_of_a_folder(locked_up: Path) -> None:
    with pytest.raises(WheelhouseError, match="locked"):
        main(VerifyReportOptions(folders=(locked_up.parent,), out=locked_up.parent / "nodes.html"))
