"""Pages opened in Chromium: what a person sees at two widths and in both schemes, and what a network would notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from browser import Browser, Opened, Scheme, browsing, needs_browser
from shown_wheelhouse import CELL, Shown
from test_comparison import two
from test_wheelhouse_page import HOSTILE

from ascend_wheelhouse.node.verify.report import Report, Result
from ascend_wheelhouse.pages import comparison, gantt, wheelhouse
from ascend_wheelhouse.pages.recorder import KINDS, TimedSpan, in_lanes
from ascend_wheelhouse.pages.view import read_view
from ascend_wheelhouse.verify import page as verify_page

pytestmark = needs_browser
SPANS = [TimedSpan(kind=kind, name=HOSTILE, began=at, ended=at + 2) for at, kind in enumerate(KINDS)]
LONG = [TimedSpan(kind="fetch", name="w" * 240 + ".whl", began=0, ended=2)]
WIDTHS = (400, 1400)
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found


def pages(folder: Path) -> list[Path]:
    """Return every kind of page: usual and hostile."""
    hostile = Shown(
        summary=HOSTILE, note=HOSTILE, versions={"alpha": HOSTILE, "beta": "w" * 300}, finding=HOSTILE
    )
    usual = Shown().write(folder / "usual")
    odd = hostile.write(folder / "odd")
    texts = [wheelhouse.page(read_view(one)) for one in (usual, odd)]
    before, after = two(folder)
    texts.append(comparison.page(comparison.compared(read_view(before), read_view(after))))
    texts.append(comparison.page(comparison.compared(read_view(usual), read_view(odd))))
    texts += [gantt.page("a run", in_lanes(spans)) for spans in (SPANS, LONG)]
    texts.append(wheelhouse.page(read_view(usual), chart=gantt.figure(in_lanes(SPANS))))
    written = [folder / f"page{number}.html" for number in range(len(texts))]
    for path, text in zip(written, texts, strict=True):
        path.write_text(text)
    return written


def opened(browser: Browser, folder: Path) -> Iterator[tuple[Path, Opened]]:
    for path in pages(folder):
        for width in WIDTHS:
            for scheme in SCHEMES:
                yield path, browser.open(path, width=width, scheme=scheme)


def test_no_page_scrolls_sideways_complains_runs_or_asks_a_network(browser: Browser, tmp_path: Path) -> None:
    for path, page in opened(browser, tmp_path):
        assert page.overflow == 0
        assert page.complaints == []
        assert page.requested == [path.as_uri()]


LONG_VERSIONS = ["2026.10.0.post9+0123abcd.cann9.1.0.a3", "1.0+" + "W" * 60, "W" * 9 + "i" * 90, "版本" * 30]
_BEYOND = """
[...document.querySelectorAll("svg g")].flatMap(group => {
  const box = group.querySelector("rect").getBBox();
  return [...group.querySelectorAll("text")].map(text => text.getBBox().x + text.getBBox().width - box.x - box.width);
})
"""


@pytest.mark.parametrize("version", LONG_VERSIONS)
def test_no_text_runs_out_of_its_box_in_the_picture(browser: Browser, tmp_path: Path, version: str) -> None:
    named = Shown(versions={"alpha": version}, cell={**CELL, "nnal": version})
    path = tmp_path / "page.html"
    path.write_text(wheelhouse.page(read_view(named.write(tmp_path / "some"))))
    beyond = browser.open(path, width=400).value(_BEYOND)
    assert len(beyond) >= 4
    assert max(beyond) < 0


def test_pages_follow_the_scheme_that_a_person_prefers(browser: Browser, tmp_path: Path) -> None:
    (path, *_) = pages(tmp_path)
    grounds = {
        scheme: browser.open(path, scheme=scheme).value("getComputedStyle(document.body).backgroundColor")
        for scheme in SCHEMES
    }
    assert grounds == {"light": "rgb(247, 247, 245)", "dark": "rgb(20, 22, 26)"}


def test_nothing_moves_for_who_wants_no_motion(browser: Browser, tmp_path: Path) -> None:
    (path, *_) = pages(tmp_path)
    moves = "getComputedStyle(document.documentElement).scrollBehavior"
    assert browser.open(path, moving=False).value(moves) == "auto"
    assert browser.open(path).value(moves) == "smooth"


def test_the_first_key_reaches_a_link_to_the_content_that_is_seen(browser: Browser, tmp_path: Path) -> None:
    (path, *_) = pages(tmp_path)
    page = browser.open(path)
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert page.value("document.activeElement.className") == "skip"
    assert page.value("document.activeElement.getBoundingClientRect().left") >= 0


def test_a_screen_reader_finds_tables_with_their_headings_at_every_width(
    browser: Browser, tmp_path: Path
) -> None:
    (path, *_) = pages(tmp_path)
    for width in WIDTHS:
        browser.open(path, width=width)
        browser.call("Accessibility.enable")
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        roles = [node["role"]["value"] for node in nodes if not node.get("ignored")]
        for role in ("main", "navigation", "banner", "contentinfo", "table", "columnheader", "rowheader"):
            assert role in roles, (role, width)
        named = [node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == "image"]
        assert "What each component needs" in named


_SCROLLING = "[...document.querySelectorAll('.scroll')].map(one => one.scrollWidth - one.clientWidth)"
_ROLES = (
    "[...document.querySelectorAll('table, thead, tbody, tr, th, td')].every(one => one.getAttribute('role'))"
)


@pytest.mark.parametrize("nodes", [1, 9])
def test_the_tables_of_a_verification_fit_a_narrow_window(
    browser: Browser, tmp_path: Path, nodes: int
) -> None:
    said = [
        Result(probe=probe, verdict="timed-out", seconds=1e6, evidence=evidence, detail="d" * 500)
        for probe, evidence in {"npu-graph": "in words " * 40, "p" * 60: "w" * 300, "odd": HOSTILE}.items()
    ]
    reports = [
        Report(
            wheelhouse={"stack": "s" * 60, "platform": "aarch64"},
            cell={},
            host={"name": f"node-{number}-{'n' * 60}"},
            conditions={"sealed": True},
            results=tuple(said),
        )
        for number in range(nodes)
    ]
    path = tmp_path / "report.html"
    path.write_text(verify_page.render(reports))
    page = browser.open(path, width=400)
    assert set(page.value(_SCROLLING)) == {0}
    assert page.overflow == 0
    assert page.complaints == []
    assert page.value(_ROLES)
