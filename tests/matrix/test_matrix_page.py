"""The page of a matrix in a real browser: nothing from a network, nothing wider than the window, nothing unsaid."""

from __future__ import annotations

import hashlib
import html
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.commands.matrix import MatrixOptions, PageUnwritableError, _tell, main
from ascend_wheelhouse.commands.tasks.cell import CellOptions
from ascend_wheelhouse.make.options import LockChoice, MakeOptions
from ascend_wheelhouse.matrix import page
from ascend_wheelhouse.matrix.orders import CellEnd, CellOrder
from ascend_wheelhouse.matrix.standing import CellRow, PendingComponent, Share, Standing, standing_of
from ascend_wheelhouse.matrix.verified import NOT_VERIFIED, Verification
from ascend_wheelhouse.node.host.cann import Ascend
from ascend_wheelhouse.node.verify.report import Report, Result
from ascend_wheelhouse.node.verify.runner import make_report
from ascend_wheelhouse.node.verify.sealed import NativeLauncher
from ascend_wheelhouse.node.verify.settings import Setting, VerifyOptions

_LONG = "sglang0.5.10.post1-torch2.10.0-cann9.0.0-910b-diffusion-glibc2.34-py3.12-aarch64"
_MEASURE = """<script>
const wide = [...document.querySelectorAll("main *")].filter(
  (one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.className || one.tagName);
document.title = JSON.stringify({width: innerWidth, scroll: document.documentElement.scrollWidth, wide});
</script>"""


def row(number: int, **said: object) -> CellRow:
    known = {"number": number, "name": _LONG, "words": "--stack x --npu 910b", "state": "complete", **said}
    return CellRow(**known)  # type: ignore[arg-type]  # as the test says


def some() -> Standing:
    """Return a matrix with a cell of each kind."""
    share = Share(files=450, size=520_000_000, own_files=4, own_size=322_000)
    pending = PendingComponent(
        component="sgl-kernel-npu",
        why="url: example.org: The name does not resolve here",
        supply="download it, then `invoke vendor FILE`",
        urls=("https://example.org/" + "a" * 120 + ".whl",),
    )
    error = {"error": "NoFileForTargetError", "exit_code": 3, "what": "torch <2> has no wheel", "why": "w"}
    audit = {"error": 0, "warning": 2, "note": 40}
    verified = Verification(state="verified", of="these files", counts="30 passed, 0 failed", host="node1")
    return Standing(
        rows=(
            row(1, folder="/x/1", audit=audit, share=share, verify=verified),
            row(2, folder="/x/2", state="incomplete", pending=(pending,), share=share),
            row(3, state="failed", error={**error, "next": "`invoke plan`"}, step="make"),
        ),
        size=1_040_000_000,
        distinct=520_600_000,
    )


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_window(tmp_path: Path, width: int) -> None:
    path = tmp_path / "page.html"
    path.write_text(page.render(some()).replace("</body>", f"{_MEASURE}</body>"))
    words = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'user'}",
    ]
    frame = tmp_path / "frame.html"
    open_files = ["--allow-file-access-from-files", f"--window-size={width},900", "--dump-dom"]
    frame.write_text(
        f'<iframe id="f" src="page.html" style="width:{width}px;height:900px;border:0"></iframe><script>'
        'f.onload = () => { document.body.append("TITLE" + f.contentDocument.title + "END") }</script>'
    )
    done = subprocess.run(
        [*words, *open_files, frame.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    told = re.search("TITLE({.*})END</", done.stdout)
    assert told, done.stdout
    measured = json.loads(html.unescape(told[1]))
    assert measured["width"] == width
    assert measured["scroll"] <= width
    assert measured["wide"] == []


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = page.render(some())
    assert not re.search(r"<(script|link|img|iframe|object|embed|base)\b|@import|url\(|\son\w+=", text)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) == {"#cell1", "#cell2", "#cell3"}


def test_what_the_page_shows_is_escaped_and_a_table_by_its_roles() -> None:
    text = page.render(some())
    assert "torch &lt;2&gt; has no wheel" in text
    assert text.count('role="columnheader" scope="col"') == 7
    assert text.count('<tr role="row">') == 4
    assert text.count('<th role="rowheader" scope="row" data-label="cell"><a href="#cell') == 3
    assert '<html lang="en">' in text
    assert "prefers-color-scheme: dark" in text
    assert "<code>invoke vendor FILE</code>" in text


def test_a_cell_says_of_its_audit_and_verification_only_what_was_seen() -> None:
    text = page.render(some())
    second = text[text.index('id="cell2"') : text.index('id="cell3"')]
    assert "not audited" in second
    assert "not verified" in second


def wheelhouse(folder: Path) -> CellEnd:
    """Return the end of a cell whose wheelhouse stands there."""
    folder.mkdir(parents=True)
    manifest = {
        "schema": 1,
        "stack": "s",
        "platform": "aarch64",
        "cell": {},
        "files": [{"path": "wheels/a.whl", "size": 3, "sha256": "0" * 64, "kind": "wheel"}],
        "pending": [],
        "complete": True,
        "derived": False,
        "notes": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    lock = LockChoice(request=Request(torch="2.8.0", target=Target(machine="aarch64")))
    make = MakeOptions(lock=lock, output=folder.parent)
    order = CellOrder(number=1, name="one", words="--torch 2.8.0", root=folder.parent, make=make)
    return CellEnd(order=order, folder=folder)


def report(digest: str, when: str, *, verdict: str = "passed", npus: int = 8) -> Report:
    result = Result(
        probe="npu-smi",
        verdict=verdict,  # type: ignore[arg-type]
        seconds=1.0,
        evidence="x",
        markers=("npu",),
    )
    return Report(
        wheelhouse={"stack": "s", "platform": "aarch64", "digest": digest},
        cell={},
        host={"name": "node1", "npus": npus, "verified": when},
        conditions={},
        results=(result,),
    )


def verify_of(end: CellEnd, reports: Path) -> Verification:
    return standing_of([end], reports, strict=False).rows[0].verify


def test_the_last_report_of_these_very_files_is_told_before_any_other(tmp_path: Path) -> None:
    end = wheelhouse(tmp_path / "wheelhouse/s-aarch64")
    digest = hashlib.sha256((tmp_path / "wheelhouse/s-aarch64/manifest.json").read_bytes()).hexdigest()
    reports = tmp_path / "reports"
    assert verify_of(end, reports).state == NOT_VERIFIED
    (reports / "a/b").mkdir(parents=True)
    (reports / "broken").mkdir()
    (reports / "broken/report.json").write_text("{")
    report("f" * 64, "2024-11-09").write(reports / "a/report.json")
    assert verify_of(end, reports).words == "verified, but of earlier files"
    report(digest, "2024-11-01", verdict="failed").write(reports / "a/b/report.json")
    assert (verify_of(end, reports).state, verify_of(end, reports).of) == ("failed", "these files")
    report(digest, "2024-11-02", npus=0).write(reports / "one.verify.json")
    assert verify_of(end, reports).words == "partial (no NPU)"


def test_a_report_of_the_bundle_of_these_very_files_is_one_of_these_files(tmp_path: Path) -> None:
    """A bundle's manifest has a serial, so that its digest is another; a node installs from the bundle."""
    end = wheelhouse(tmp_path / "wheelhouse/s-aarch64")
    manifest = json.loads((tmp_path / "wheelhouse/s-aarch64/manifest.json").read_text())
    bundled = json.dumps({**manifest, "serial": 7}, indent=2, sort_keys=True)
    digest = hashlib.sha256(bundled.encode()).hexdigest()
    made = Setting(
        environment=tmp_path,
        manifest=json.loads(bundled),
        options=VerifyOptions(),
        launcher=NativeLauncher(sealed=True),
        ascend=Ascend(devices=8, toolkit="/usr/local/Ascend", scripts=()),
        scratch=tmp_path,
        digest=digest,
    )
    node = make_report(made, report(digest, "", verdict="failed").results)
    (tmp_path / "reports").mkdir()
    node.write(tmp_path / "reports/n1.verify.json")
    assert (verify_of(end, tmp_path / "reports").state, verify_of(end, tmp_path / "reports").of) == (
        "failed",
        "these files",
    )
    other = replace(node, wheelhouse={**node.wheelhouse, "contents": "f" * 64})
    other.write(tmp_path / "reports/n1.verify.json")
    assert verify_of(end, tmp_path / "reports").words == "failed, but of earlier files"


@pytest.mark.parametrize("when", ["2999-01-01T00:00:00Z", "zzz"])
def test_a_report_of_a_node_whose_clock_is_ahead_is_not_the_last_one_for_ever(
    when: str, tmp_path: Path
) -> None:
    end = wheelhouse(tmp_path / "wheelhouse/s-aarch64")
    digest = hashlib.sha256((tmp_path / "wheelhouse/s-aarch64/manifest.json").read_bytes()).hexdigest()
    (tmp_path / "reports").mkdir()
    report(digest, when).write(tmp_path / "reports/1.verify.json")
    assert verify_of(end, tmp_path / "reports").state == "verified"
    report(digest, "2024-11-01T00:00:00Z", verdict="failed").write(tmp_path / "reports/2.verify.json")
    assert verify_of(end, tmp_path / "reports").state == "failed"


def test_a_report_of_another_wheelhouse_says_nothing(tmp_path: Path) -> None:
    end = wheelhouse(tmp_path / "wheelhouse/other-aarch64")
    (tmp_path / "reports").mkdir()
    report("f" * 64, "2024-11-09").write(tmp_path / "reports/report.json")
    assert verify_of(end, tmp_path / "reports").state == NOT_VERIFIED


def options(page_at: Path, root: Path) -> MatrixOptions:
    lock = LockChoice(request=Request(torch="2.8.0", target=Target.named("aarch64")))
    return MatrixOptions(
        root=root,
        request_of=lambda values: CellOptions(**values).request(),
        make=MakeOptions(lock=lock, output=root / "wheelhouse"),
        page=page_at,
        reports=root / "reports",
        json=True,
    )


@pytest.mark.parametrize("place", ["folder", "file/matrix.html"])
def test_a_place_where_no_page_can_be_written_is_told_before_any_cell(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(PageUnwritableError) as caught:
        main(options(tmp_path / place, tmp_path))
    assert caught.value.exit_code == 2
    assert f"{tmp_path / place} cannot be written: " in caught.value.what


def test_a_page_that_cannot_be_written_in_the_end_takes_nothing_else_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _tell(some(), options(tmp_path, tmp_path)) != 0
    said, told = capsys.readouterr()
    assert json.loads(said)["page"] == ""
    assert json.loads(said)["cells"][0]["name"] == _LONG
    assert str(tmp_path) in told
