from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ascend_wheelhouse import console
from ascend_wheelhouse.commands import verify_report as command
from ascend_wheelhouse.node.verify.report import Report, Result
from ascend_wheelhouse.verify import page

GOOD = Result(
    probe="npu-smi", verdict="passed", seconds=1.5, evidence="fine", figures={"files": 3}, markers=("npu",)
)
BAD = Result(
    probe="imports", verdict="crashed", seconds=2, evidence="<script>alert(1)</script>", detail="a & b"
)
SKIPPED = Result(probe="npu-graph", verdict="skipped", seconds=0, evidence="run this on a node")


def report(name: str, *results: Result, npus: int = 16) -> Report:
    wheelhouse = {"stack": "s", "platform": "aarch64", "digest": "d" * 64}
    host = {"name": name, "npus": npus}
    return Report(wheelhouse=wheelhouse, cell={}, host=host, conditions={"sealed": True}, results=results)


class Links(HTMLParser):
    """Collects tags, and addresses that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag."""
        self.tags.append(tag)
        self.loaded += [
            str(value)
            for name, value in attrs
            if name in {"src", "srcset"} or (tag, name) == ("link", "href")
        ]


def parsed(text: str) -> Links:
    links = Links()
    links.feed(text)
    return links


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    links = parsed(page.render([report("n", GOOD, BAD)]))
    assert links.loaded == []
    assert {"script", "link", "img"} & set(links.tags) == set()


def test_what_a_probe_said_is_shown_as_text() -> None:
    text = page.render([report("n", BAD)])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "a &amp; b" in text


def test_one_node_is_summed_up_in_words() -> None:
    assert "Verified: 1 passed, 0 failed, 0 skipped." in page.render([report("n", GOOD)])
    assert "Failed: 1 passed, 1 failed, 0 skipped." in page.render([report("n", GOOD, BAD)])


def test_a_node_on_which_no_probe_used_an_npu_is_not_called_verified() -> None:
    text = page.render([report("n", Result(probe="files", verdict="passed", seconds=1, evidence="fine"))])
    assert "Partial (no probe on NPUs): 1 passed" in text


def test_what_was_not_proven_on_an_npu_is_partial_and_never_green() -> None:
    text = page.render([report("n", GOOD, SKIPPED, npus=0)])
    assert "Partial (no NPU): 1 passed, 0 failed, 1 skipped." in text
    assert '<span class="mark note">partial (no NPU)</span>' in text
    assert ">verified</span>" not in text


def test_many_nodes_begin_with_an_overview_of_probes_by_nodes() -> None:
    text = page.render([report("one", GOOD), report("two", GOOD, BAD)])
    assert "1 of 2 nodes verified, 1 failed. All probes: 2 passed, 1 failed, 0 skipped." in text
    assert text.index("All nodes") < text.index('id="node0"') < text.index('id="node1"')
    assert "not run" in text


def test_reports_below_folders_are_found_and_merged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, results in (("one", (GOOD,)), ("two", (BAD,))):
        (tmp_path / "nodes" / name).mkdir(parents=True)
        report(name, *results).write(tmp_path / "nodes" / name / "report.json")
    command.main(
        command.VerifyReportOptions(folders=(tmp_path / "nodes",), out=tmp_path / "page.html", json=True)
    )
    assert json.loads(capsys.readouterr().out) == {
        "page": str(tmp_path / "page.html"),
        "reports": 2,
        "failed": ["two"],
        "nodes": [
            {"name": "one", "outcome": "verified", "passed": 1, "failed": 0, "skipped": 0},
            {"name": "two", "outcome": "failed", "passed": 0, "failed": 1, "skipped": 0},
        ],
    }


@pytest.mark.parametrize("text", [None, "{}", "no json"])
def test_a_folder_without_a_report_and_a_file_that_is_none_are_usage_errors(
    text: str | None, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    options = command.VerifyReportOptions(folders=(tmp_path,), out=tmp_path / "page.html")
    with pytest.raises(SystemExit) as ended, console.main_guard():
        command.main(options)
    assert ended.value.code == 2


def test_a_report_of_a_newer_version_is_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report("n1", GOOD).write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 2, "results": {"new": "form"}}))
    options = command.VerifyReportOptions(folders=(tmp_path,), out=tmp_path / "nodes.html")
    with pytest.raises(command.NewerReportError, match=r"has schema 2; this version reads 1"):
        command.main(options)
    path.write_text("[" * 5000)
    with pytest.raises(command.NoReportError):
        command.main(options)


def test_a_report_that_is_found_twice_counts_once_and_two_of_one_node_are_not_two_nodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    envs = tmp_path / "envs"
    envs.mkdir()
    report("one", BAD).write(envs / "0001.verify.json")
    report("one", GOOD).write(envs / "0002.verify.json")
    report("two", GOOD).write(tmp_path / "report.json")
    folders = (tmp_path, envs, envs / "0002.verify.json")
    command.main(command.VerifyReportOptions(folders=folders, out=tmp_path / "page.html"))
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith(
        ": 2 of 3 reports of 2 nodes verified, 1 failed. All probes: 2 passed, 1 failed, 0 skipped."
    )
    assert len(told) == 4


@pytest.mark.parametrize(
    ("marker", "outcome"), [("npu", "partial (announced failures)"), ("host", "verified")]
)
def test_a_failure_on_an_npu_that_somebody_announced_is_no_proof_of_the_node(
    marker: str, outcome: str
) -> None:
    known = Result(
        probe="npu-matmul", verdict="known", seconds=1, evidence="announced: x (y)", markers=(marker,)
    )
    assert report("n", GOOD, known).outcome == outcome


def test_text_of_a_node_turns_no_direction_of_writing_and_moves_no_cursor() -> None:
    odd = "libc\u202eso.png \x1b[31mred \x00\x07"
    result = Result(
        probe=odd, verdict="failed", seconds=1, evidence=odd, detail=odd, figures={odd: odd}, markers=(odd,)
    )
    text = page.render([report(odd, result), report("two", GOOD)])
    assert not set("\u202e\x1b\x00\x07") & set(text)
    assert "libc?so.png red ??" in text


@pytest.mark.parametrize("seconds", ["1e999", "9" * 400, "-1"])
def test_a_report_whose_probe_took_a_time_that_no_clock_shows_is_none(seconds: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report("one", GOOD).write(path)
    path.write_text(path.read_text().replace('"seconds": 1.5', f'"seconds": {seconds}'))
    options = command.VerifyReportOptions(folders=(tmp_path,), out=tmp_path / "page.html")
    with pytest.raises(command.NoReportError, match=r"not a report of a verification") as told:
        command.main(options)
    assert "results.0.seconds" in told.value.why


def test_the_name_of_a_node_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report("one: x\ntwo: verified", BAD).write(tmp_path / "report.json")
    command.main(command.VerifyReportOptions(folders=(tmp_path,), out=tmp_path / "page.html"))
    assert len(capsys.readouterr().out.splitlines()) == 2
