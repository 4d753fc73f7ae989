from __future__ import annotations

import json
from pathlib import Path

import pytest
from invoking import invoke
from page_reading import Page
from shown_wheelhouse import Shown

from ascend_wheelhouse.pages import trace
from ascend_wheelhouse.pages.recorder import TimedSpan

RECORD = {
    "id": "PYSEC-1",
    "modified": "2026-11-01T00:00:00Z",
    "database_specific": {"severity": "HIGH"},
    "summary": "<script>alert(1)</script>",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "beta"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1"}]}],
        }
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Shown().write(tmp_path / "wheelhouse")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "osv.json"
    path.write_text(json.dumps(RECORD))
    return path


def test_a_terminal_shows_components_what_is_pending_and_the_audit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke("show", "--wheelhouse", folder) == 0
    told = capsys.readouterr().out
    assert "small-aarch64: 2 wheels, 3.0 MB, incomplete: 1 component pending." in told
    assert "alpha         1.0      built from sdist  1.5 MB  Apache-2.0\n" in told
    assert "1 more wheel " in told
    assert "https://nnal.example/nnal.run" in told
    assert "audit: no defect (1 warning, 1 note)" in told
    assert all(len(line) <= 80 for line in told.splitlines()[2:])


def test_json_has_all_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("show", "--wheelhouse", folder, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["wheelhouse"]["title"] == "small-aarch64"
    assert [one["name"] for one in answer["wheelhouse"]["named"]] == ["alpha"]
    assert answer["wheelhouse"]["others"][0]["needed_by"] == ["alpha"]
    assert (answer["page"], answer["vulnerabilities"]) == ("", None)


def test_a_page_is_written_where_one_says(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("show", "--wheelhouse", folder, "--html") == 0
    assert capsys.readouterr().out.startswith("small-aarch64.html: 2 wheels")
    assert invoke("show", "--wheelhouse", folder, "--out", "other.html") == 0
    assert Path("other.html").read_bytes() == Path("small-aarch64.html").read_bytes()


def test_a_record_without_a_fix_claims_nothing_of_later_releases_and_malware_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [{"introduced": "0"}, {"last_affected": "2.0"}]
    affected = {
        "package": {"ecosystem": "PyPI", "name": "beta"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"id": "MAL-1", "modified": "2026-11-01T00:00:00Z", "affected": [affected]}))
    assert (
        invoke("show", "--wheelhouse", folder, "--vulnerabilities", path, "--out", tmp_path / "p.html") == 0
    )
    assert "with 1 record about Python packages" in (tmp_path / "p.html").read_text()
    assert "none is known" in (tmp_path / "p.html").read_text()
    capsys.readouterr()
    assert invoke("show", "--wheelhouse", folder, "--vulnerabilities", path) == 0
    told = capsys.readouterr().out
    assert "none is known            malware" in told


def test_a_database_is_compared_with_the_wheels(
    folder: Path, database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["show", "--wheelhouse", str(folder), "--vulnerabilities", str(database)]
    assert invoke(*words) == 0
    told = capsys.readouterr().out
    assert "vulnerabilities: 1 vulnerability in 1 wheel." in told
    assert "beta 2.0  PYSEC-1  2.1" in told
    assert invoke(*words, "--out", str(tmp_path / "p.html")) == 0
    assert "vulnerabilities: 1 vulnerability in 1 wheel." in capsys.readouterr().out
    assert invoke(*words, "--json", "--out", str(tmp_path / "p.html")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [one["known"]["id"] for one in answer["vulnerabilities"]["found"]] == ["PYSEC-1"]
    page = (tmp_path / "p.html").read_text()
    assert "https://osv.dev/vulnerability/PYSEC-1" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert '<span class="mark bad">high</span>' in page


def test_what_is_no_wheelhouse_and_what_is_no_database_end_with_2(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke("show", "--wheelhouse", tmp_path) == 2
    assert invoke("show", "--wheelhouse", folder, "--against", tmp_path / "none") == 2
    assert invoke("show", "--wheelhouse", folder, "--vulnerabilities", folder / "manifest.json") == 2
    assert "no database of vulnerabilities" in capsys.readouterr().err
    assert invoke("show", "--wheelhouse", folder, "--vulnerabilities", folder / "all.zip") == 2
    assert "There is no such file or folder." in capsys.readouterr().err


def test_the_times_of_a_run_go_into_the_page_that_one_writes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    span = TimedSpan(kind="fetch", name="<b>alpha</b>", began=1, ended=3)
    (tmp_path / "times.json").write_text(trace.dumps("a run", [span]))
    words = ["show", "--wheelhouse", str(folder), "--out", str(tmp_path / "p.html")]
    assert invoke(*words, "--times", tmp_path / "times.json") == 0
    page = Page((tmp_path / "p.html").read_text())
    assert "fetch: <b>alpha</b>, 2.0 s from 1.0 s on" in page.text
    assert (page.open, page.mismatched) == ([], [])
    assert invoke(*words, "--times", folder / "manifest.json") == 2
    assert "holds no times of a run" in capsys.readouterr().err


def test_the_folder_of_a_page_is_made_and_a_place_that_cannot_be_written_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "pages" / "of today" / "small.html"
    assert invoke("show", "--wheelhouse", folder, "--html", "--out", page) == 0
    assert page.is_file()
    capsys.readouterr()
    assert invoke("show", "--wheelhouse", folder, "--html", "--out", tmp_path) == 2
    told = capsys.readouterr().err
    assert f"Error: {tmp_path} cannot be written: it is a folder." in told
    assert "--out page.html" in told


def test_the_pages_own_name_in_a_folder_that_does_not_take_it_is_told_with_the_option(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here" / "small-aarch64.html").mkdir(parents=True)
    (tmp_path / "here" / "comparison.html").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for words in ((), ("--against", folder)):
        assert invoke("show", "--wheelhouse", folder, "--html", *words) == 2
        told = capsys.readouterr().err
        assert ".html cannot be written: it is a folder." in told
        assert "--out /tmp/page.html" in told
