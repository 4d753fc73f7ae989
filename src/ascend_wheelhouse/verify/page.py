"""The HTML page of one report or of many nodes': self-contained, without script, also for paper and dark."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ascend_wheelhouse.node.host.software import WORDS
from ascend_wheelhouse.node.plain import plain
from ascend_wheelhouse.node.probes import CATALOGUE
from ascend_wheelhouse.node.verify.report import Report, Result, tally
from ascend_wheelhouse.pages import render as pages

_WORDS = {
    "passed": "passed",
    "known": "known",
    "skipped": "skipped",
    "failed": "failed",
    "crashed": "crashed",
    "timed-out": "timed out",
    "out-of-memory": "out of memory",
}
_HEADINGS = "".join(
    f'<th role="columnheader" scope="col"{more}>{text}</th>'
    for text, more in (("probe", ""), ("verdict", ""), ("time", ' class="time"'), ("evidence", ""))
)
_CLASS = {"passed": "good", "known": "note", "skipped": "calm"}


def render(reports: Sequence[Report]) -> str:
    """Return the page of these reports, one section a node, an overview first when there are several."""
    stacks = sorted({_wheelhouse(report) for report in reports})
    parts = [_overview(reports)] if len(reports) > 1 else []
    parts += [_section(index, report) for index, report in enumerate(reports)]
    return pages.render(
        "verify.html.j2",
        title=stacks[0] if len(stacks) == 1 else f"{len(stacks)} wheelhouses",
        eyebrow="verify",
        lead=lead(reports),
        warning=_warning(reports),
        sections=parts,
    )


def _wheelhouse(report: Report) -> str:
    parts = [report.wheelhouse.get(key, "") for key in ("stack", "platform")]
    return "-".join(filter(None, parts)) or "an unnamed wheelhouse"


def _text(value: object) -> str:
    return html.escape(plain(str(value)))


def _scroll(name: str) -> str:
    """Return the start of a region that scrolls by itself, by keys too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Probes of {_text(name)}">'


def _warning(reports: Sequence[Report]) -> str:
    """Return what stands in the head of the page where a report is no evidence of a node."""
    nodes = [report for report in reports if report.software]
    if not nodes:
        return ""
    which = "" if len(reports) == 1 else f" ({', '.join(_name(report) for report in nodes)})"
    return nodes[0].head + which


def lead(reports: Sequence[Report]) -> str:
    """Return the verdict on all nodes in one line."""
    if len(reports) == 1:
        said = reports[0].headline
        return f"{said[:1].upper()}{said[1:]}."
    whole = sum(report.outcome == "verified" for report in reports)
    others = Counter(report.outcome for report in reports if report.outcome != "verified")
    parts = [
        f"{whole} of {len(reports)} {_counted(reports)} verified",
        *(f"{count} {said}" for said, count in others.items()),
    ]
    together = Counter[str]()
    for report in reports:
        together.update(report.counts)
    return f"{', '.join(parts)}. All probes: {tally(together)}."


def _counted(reports: Sequence[Report]) -> str:
    """Return what is counted: nodes, unless one of them has several reports, as of one install after another."""
    nodes = len({_name(report) for report in reports})
    return "nodes" if nodes == len(reports) else f"reports of {nodes} node{'s' if nodes > 1 else ''}"


def _mark(result: Result | None) -> str:
    if result is None:
        return '<span class="none">not run</span>'
    return f'<span class="mark {_CLASS.get(result.verdict, "bad")}">{_WORDS[result.verdict]}</span>'


def _overview(reports: Sequence[Report]) -> str:
    known = ["sealed-install", *(probe.name for probe in CATALOGUE)]
    seen = dict.fromkeys(result.probe for report in reports for result in report.results)
    probes = sorted(seen, key=lambda name: known.index(name) if name in known else len(known))
    names = "".join(
        f'<th role="columnheader" scope="col"><a href="#node{index}">{_text(_name(report))}</a></th>'
        for index, report in enumerate(reports)
    )
    rows = []
    for probe in probes:
        marks = "".join(
            f'<td role="cell" data-label="{_text(_name(report))}">'
            f"{_mark(next((one for one in report.results if one.probe == probe), None))}</td>"
            for report in reports
        )
        rows.append(f'<tr role="row">{_row_head(probe)}{marks}</tr>')
    head = f'<th role="columnheader" scope="col">probe</th>{names}'
    return f"<section><h2>All nodes</h2>{_scroll('all nodes')}{_table(head, ''.join(rows))}</div></section>"


def _row_head(probe: str) -> str:
    return f'<th role="rowheader" scope="row" class="name">{_text(probe)}</th>'


def _table(head: str, rows: str) -> str:
    """Return a table whose rows stand below each other in a narrow window; its roles are said, since those go then."""
    return (
        f'<table class="stack" role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table>'
    )


def _section(index: int, report: Report) -> str:
    kind = {"verified": "good", "failed": "bad"}.get(report.outcome, "note")
    rows = "".join(_row(result) for result in report.results)
    return (
        f'<section id="node{index}"><div class="head"><h2>{_text(_name(report))}</h2>'
        f'<span class="mark {kind}">{_text(report.outcome)}</span></div>'
        f'<p class="counts">{_text(tally(report.counts))}</p>{_facts(report)}'
        f"{_scroll(_name(report))}{_table(_HEADINGS, rows)}</div></section>"
    )


def _name(report: Report) -> str:
    how = ", emulated" if report.conditions.get("emulated") else ""
    how += f", {WORDS}" if report.software else ""
    return f"{report.host.get('name', 'node')} ({report.wheelhouse.get('platform', '')}{how})"


def _facts(report: Report) -> str:
    host, cell, conditions = report.host, report.cell, report.conditions
    pairs = {
        "when": host.get("verified", ""),
        "machine": f"{host.get('machine')}, {host.get('cpus')} CPUs, {host.get('memory_gib')} GiB",
        "kernel, glibc": f"{host.get('kernel', '')}, {host.get('glibc', '')}",
        "NPUs": host.get("npus", 0),
        "CANN": host.get("toolkit") or "none",
        "torch, torch_npu": f"{cell.get('torch', '?')}, {cell.get('torch_npu', '?')}",
        "conditions": ", ".join(_conditions(conditions)),
        "wheelhouse digest": str(report.wheelhouse.get("digest", ""))[:16],
    }
    return (
        '<dl class="facts">'
        + "".join(f"<div><dt>{_text(k)}</dt><dd>{_text(v)}</dd></div>" for k, v in pairs.items())
        + "</dl>"
    )


def _conditions(conditions: Mapping[str, Any]) -> list[str]:
    words = {
        "sealed": "network cut off",
        "emulated": "emulated",
        "stubs": "stand-in CANN libraries",
        "standins": "stand-in modules for the CPU server",
        "software_npu": WORDS,
        "require_npu": "NPU required",
    }
    found = [text for name, text in words.items() if conditions.get(name)]
    if hidden := conditions.get("hidden_npus"):
        found.append(f"NPUs left out: {hidden}")
    if left_out := conditions.get("left_out"):
        found.append(f"left out: {', '.join(left_out)}")
    return found if conditions.get("sealed") else ["network in reach", *found]


def _row(result: Result) -> str:
    more = ""
    if result.figures:
        figures = json.dumps(result.figures, indent=1, sort_keys=True, ensure_ascii=False, default=str)
        more += f"<details><summary>figures</summary><pre>{_text(figures)}</pre></details>"
    if result.detail:
        more += f"<details><summary>last words</summary><pre>{_text(result.detail)}</pre></details>"
    return (
        f'<tr role="row">{_row_head(result.probe)}<td role="cell" data-label="verdict">{_mark(result)}</td>'
        f'<td role="cell" class="time" data-label="time">{result.seconds:.1f} s</td>'
        f'<td role="cell" class="evidence" data-label="evidence">{_text(result.evidence)}{more}</td></tr>'
    )
