"""The HTML page of one report or of many nodes': self-contained, without script, also for paper and dark."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from ascend_wheelhouse.node.host.software import WORDS
from ascend_wheelhouse.node.probes import CATALOGUE
from ascend_wheelhouse.node.verify.report import Report, Result, tally

_WORDS = {
    "passed": "passed",
    "known": "known",
    "skipped": "skipped",
    "failed": "failed",
    "crashed": "crashed",
    "timed-out": "timed out",
    "out-of-memory": "out of memory",
}
_CLASS = {"passed": "good", "known": "note", "skipped": "calm"}

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style></head>
<body><main>
<header><p class="eyebrow">ascend-wheelhouse &middot; verify</p>
<h1>$title</h1><p class="lead">$lead</p>$warning</header>
$overview
$sections
</main></body></html>
""")

_STYLE = """
:root { --paper: #fbfaf8; --card: #fff; --ink: #1d2126; --soft: #5f6670; --line: #e3e1dc;
  --good: #17693f; --goodbg: #e4f4eb; --bad: #a3211a; --badbg: #fbe6e4;
  --note: #7d5200; --notebg: #fbf0d9; --calm: #565e69; --calmbg: #eceef1 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14161a; --card: #1c1f24; --ink: #e8e9eb; --soft: #9aa2ad; --line: #30353d;
    --good: #6fd6a1; --goodbg: #15321f; --bad: #ff9b92; --badbg: #401a17;
    --note: #f0c36a; --notebg: #3a2c0d; --calm: #a9b1bc; --calmbg: #2a2f36 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 80px }
.eyebrow { margin: 0; color: var(--soft); font-size: 13px; letter-spacing: .04em }
h1 { margin: 4px 0 8px; font-size: 27px; line-height: 1.2; letter-spacing: -.01em; overflow-wrap: anywhere }
h2 { margin: 0; font-size: 19px; overflow-wrap: anywhere }
.lead { margin: 0; color: var(--soft); font-size: 16px }
section { margin-top: 28px; padding: 22px 24px; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px }
.head { display: flex; gap: 12px; align-items: baseline; justify-content: space-between; flex-wrap: wrap }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(205px, 1fr)); gap: 10px 20px; margin: 16px 0 4px }
dt { color: var(--soft); font-size: 12.5px }
dd { margin: 0; overflow-wrap: anywhere }
.scroll { overflow-x: auto }
table { width: 100%; border-collapse: collapse; margin-top: 14px }
th { padding: 6px 14px 6px 0; color: var(--soft); font-size: 12.5px; font-weight: 600; text-align: left;
  border-bottom: 1px solid var(--line) }
td { padding: 8px 14px 8px 0; vertical-align: top; border-bottom: 1px solid var(--line) }
tr:last-child td { border-bottom: 0 }
td.name { font-weight: 500; white-space: nowrap }
td.time, th.time { padding-right: 22px; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
td.evidence { width: 62%; overflow-wrap: anywhere }
.mark { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 12.5px; font-weight: 600;
  white-space: nowrap }
.good { color: var(--good); background: var(--goodbg) }
.bad { color: var(--bad); background: var(--badbg) }
.note { color: var(--note); background: var(--notebg) }
.calm { color: var(--calm); background: var(--calmbg) }
.none { color: var(--soft) }
details { margin-top: 4px }
summary { color: var(--soft); font-size: 13px; cursor: pointer }
pre { max-height: 320px; margin: 8px 0 0; padding: 12px; overflow: auto; background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; font: 12.5px/1.45 ui-monospace, Menlo, Consolas, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere }
a { color: inherit }
@media (max-width: 640px) { main { padding: 24px 14px } section { padding: 16px } td.evidence { min-width: 240px } }
@media print { body { background: #fff } section { break-inside: avoid } }
"""


def render(reports: Sequence[Report]) -> str:
    """Return the page of these reports, one section a node, an overview first when there are several."""
    stacks = sorted({_wheelhouse(report) for report in reports})
    return _PAGE.substitute(
        title=_text(stacks[0] if len(stacks) == 1 else f"{len(stacks)} wheelhouses"),
        style=_STYLE,
        lead=_text(lead(reports)),
        warning=_warning(reports),
        overview=_overview(reports) if len(reports) > 1 else "",
        sections="\n".join(_section(index, report) for index, report in enumerate(reports)),
    )


def _wheelhouse(report: Report) -> str:
    parts = [report.wheelhouse.get(key, "") for key in ("stack", "platform")]
    return "-".join(filter(None, parts)) or "an unnamed wheelhouse"


def _text(value: object) -> str:
    return html.escape(str(value))


def _warning(reports: Sequence[Report]) -> str:
    """Return what stands in the head of the page where a report is no evidence of a node."""
    nodes = [report for report in reports if report.software]
    if not nodes:
        return ""
    which = "" if len(reports) == 1 else f" ({', '.join(_name(report) for report in nodes)})"
    return f'<p class="mark bad" role="alert">{_text(nodes[0].head + which)}</p>'


def lead(reports: Sequence[Report]) -> str:
    """Return the verdict on all nodes in one line."""
    if len(reports) == 1:
        said = reports[0].headline
        return f"{said[:1].upper()}{said[1:]}."
    whole = sum(report.outcome == "verified" for report in reports)
    others = Counter(report.outcome for report in reports if report.outcome != "verified")
    parts = [
        f"{whole} of {len(reports)} nodes verified",
        *(f"{count} {said}" for said, count in others.items()),
    ]
    together = Counter[str]()
    for report in reports:
        together.update(report.counts)
    return f"{', '.join(parts)}. All probes: {tally(together)}."


def _mark(result: Result | None) -> str:
    if result is None:
        return '<span class="none">not run</span>'
    return f'<span class="mark {_CLASS.get(result.verdict, "bad")}">{_WORDS[result.verdict]}</span>'


def _overview(reports: Sequence[Report]) -> str:
    known = ["sealed-install", *(probe.name for probe in CATALOGUE)]
    seen = dict.fromkeys(result.probe for report in reports for result in report.results)
    probes = sorted(seen, key=lambda name: known.index(name) if name in known else len(known))
    names = "".join(
        f'<th scope="col"><a href="#node{index}">{_text(_name(report))}</a></th>'
        for index, report in enumerate(reports)
    )
    rows = []
    for probe in probes:
        by_node = [next((one for one in report.results if one.probe == probe), None) for report in reports]
        marks = "".join(f"<td>{_mark(one)}</td>" for one in by_node)
        rows.append(f'<tr><td class="name">{_text(probe)}</td>{marks}</tr>')
    return (
        '<section><h2>All nodes</h2><div class="scroll"><table><thead><tr><th scope="col">probe</th>'
        f"{names}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _section(index: int, report: Report) -> str:
    kind = {"verified": "good", "failed": "bad"}.get(report.outcome, "note")
    rows = "".join(_row(result) for result in report.results)
    return (
        f'<section id="node{index}"><div class="head"><h2>{_text(_name(report))}</h2>'
        f'<span class="mark {kind}">{_text(report.outcome)}</span></div>'
        f'<p class="counts">{_text(tally(report.counts))}</p>{_facts(report)}'
        '<div class="scroll"><table><thead><tr><th scope="col">probe</th><th scope="col">verdict</th>'
        '<th scope="col" class="time">time</th><th scope="col">evidence</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
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
        "<dl>"
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
    return found if conditions.get("sealed") else ["network in reach", *found]


def _row(result: Result) -> str:
    more = ""
    if result.figures:
        figures = json.dumps(result.figures, indent=1, sort_keys=True, ensure_ascii=False, default=str)
        more += f"<details><summary>figures</summary><pre>{_text(figures)}</pre></details>"
    if result.detail:
        more += f"<details><summary>last words</summary><pre>{_text(result.detail)}</pre></details>"
    return (
        f'<tr><td class="name">{_text(result.probe)}</td><td>{_mark(result)}</td>'
        f'<td class="time">{result.seconds:.1f} s</td>'
        f'<td class="evidence">{_text(result.evidence)}{more}</td></tr>'
    )
