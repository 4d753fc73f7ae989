"""What stands of a matrix as one HTML file: no script, nothing from a network, light and dark, wide and narrow.

On a narrow screen each row of the overview is a card; roles say that it is a table all the same.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from string import Template
from typing import Any

from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.matrix import words
from ascend_wheelhouse.matrix.page_style import STYLE
from ascend_wheelhouse.matrix.standing import CellRow, PendingComponent, Standing
from ascend_wheelhouse.matrix.verified import NOT_VERIFIED, UnreadReport
from ascend_wheelhouse.node.plain import plain

_COMMAND = re.compile("`([^`]*)`")
_COLUMNS = ("no.", "cell", "state", "audit", "verify", "size", "of that, only here")
_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>$style</style></head>
<body><main>
<header><p class="eyebrow">ascend-wheelhouse &middot; matrix</p>
<h1>$title</h1><p class="lead">$lead</p></header>
$overview
$unread
$sections
</main></body></html>
""")


def render(found: Standing) -> str:
    """Return the page of a matrix: every cell in a table, then one section a cell."""
    count = len(found.rows)
    return _PAGE.substitute(
        title=f"{count} cell{'' if count == 1 else 's'}",
        style=STYLE,
        lead=_text(f"{words.verdict(found)}."),
        overview=_overview(found.rows),
        unread=_unread(found.unread),
        sections="\n".join(map(_section, found.rows)),
    )


def _unread(unread: Iterable[UnreadReport]) -> str:
    rows = "".join(f"<li><p>{_text(one.path)}: {_text(one.why)}</p></li>" for one in unread)
    head = f'<section aria-labelledby="unread"><h2 id="unread">{_text(words.UNREAD)}</h2>'
    return f"{head}<ul>{rows}</ul></section>" if rows else ""


def _text(value: object) -> str:
    return html.escape(plain(str(value)))


def _prose(text: str) -> str:
    """Return a text in which what stands in backquotes is shown as the command that it is."""
    return _COMMAND.sub(lambda found: f"<code>{found[1]}</code>", _text(text))


def _overview(rows: Iterable[CellRow]) -> str:
    heads = "".join(f'<th role="columnheader" scope="col">{_text(name)}</th>' for name in _COLUMNS)
    return (
        '<section aria-labelledby="all"><h2 id="all">All cells</h2>'
        '<table class="cards" role="table" aria-labelledby="all"><thead role="rowgroup">'
        f'<tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(map(_overview_row, rows))}</tbody></table></section>'
    )


def _overview_row(row: CellRow) -> str:
    size = forms.size(row.share.size) if row.share.files else ""
    cells = (
        str(row.number),
        f'<a href="#cell{row.number}">{_text(row.name)}</a>',
        _state_mark(row),
        _audit_mark(row),
        _verify_mark(row),
        _text(size),
        _bar(row),
    )
    parts = "".join(_cell(name, cell) for name, cell in zip(_COLUMNS, cells, strict=True) if cell)
    empty = "".join('<td role="cell" class="void"></td>' for cell in cells if not cell)
    return f'<tr role="row">{parts}{empty}</tr>'


def _cell(column: str, content: str) -> str:
    """Return one cell of the overview; its name is the heading of the row."""
    label = f'data-label="{column}"'
    if column == "cell":
        return f'<th role="rowheader" scope="row" {label}>{content}</th>'
    kind = "number" if column in {"no.", "size"} else "any"
    return f'<td role="cell" {label} class="{kind}">{content}</td>'


def _mark(kind: str, text: str) -> str:
    return f'<span class="mark {kind}">{_text(text)}</span>'


def _state_mark(row: CellRow) -> str:
    good = "good" if row.state == "complete" else "note"
    return _mark("bad" if row.error else good, words.state(row))


def _audit_mark(row: CellRow) -> str:
    if not row.folder:
        return ""
    if row.audit is None:
        return _mark("calm", words.audit(None))
    kind = "bad" if row.audit.get("error") else "note" if row.audit.get("warning") else "good"
    return _mark(kind, words.audit(row.audit))


def _verify_mark(row: CellRow) -> str:
    if not row.folder:
        return ""
    one = row.verify
    if one.state == "failed" and one.of == "these files":
        return _mark("bad", one.words)
    whole = one.state == "verified" and one.of == "these files"
    return _mark("good" if whole else "calm" if one.state == NOT_VERIFIED else "note", one.words)


def _bar(row: CellRow) -> str:
    """Return how much of a cell no other has, as a bar and in words."""
    share = row.share
    if not share.size:
        return ""
    part = 100 * share.own_size / share.size
    return (
        f'<span class="bar" aria-hidden="true"><span style="width:{part:.1f}%"></span></span>'
        f"<span>{_text(forms.size(share.own_size))} in {share.own_files} of {share.files} files</span>"
    )


def _section(row: CellRow) -> str:
    return (
        f'<section id="cell{row.number}" aria-labelledby="name{row.number}"><div class="head">'
        f'<h2 id="name{row.number}">{row.number}. {_text(row.name)}</h2>{_state_mark(row)}</div>'
        f"{_derived(row)}{_error(row)}{_facts(row)}{_pending(row.pending)}</section>"
    )


def _derived(row: CellRow) -> str:
    return "<p>This cell is derived: no stack lists it.</p>" if row.derived else ""


def _error(row: CellRow) -> str:
    if not row.error:
        return ""
    error: Mapping[str, Any] = row.error
    following = f"<p>Next: {_prose(error['next'])}</p>" if error["next"] else ""
    why = f"<p>{_prose(error['why'])}</p>" if error["why"] else ""
    return (
        f'<div class="error"><p><strong>{_text(error["error"])}</strong>, exit {error["exit_code"]}, '
        f"in the step {_text(row.step)}</p><p>{_prose(error['what'])}</p>{why}{following}</div>"
    )


def _facts(row: CellRow) -> str:
    pairs = {"command": _prose(f"`invoke wheelhouse {row.words}`")}
    if row.folder:
        share = row.share
        pairs |= {
            "files": _text(f"{share.files}, {forms.size(share.size)}"),
            "only in this cell": _text(f"{share.own_files}, {forms.size(share.own_size)}"),
            "in other cells, too": _text(f"{share.shared_files}, {forms.size(share.shared_size)}"),
            "audit": _text(words.audit(row.audit)),
            "verify": _text(row.verify.whole),
        }
    if row.bundle:
        signer = row.bundle.fingerprint or "nobody"
        pairs["bundle"] = _text(
            f"{forms.size(row.bundle.size)}, serial {row.bundle.serial}, signed by {signer}"
        )
        pairs["install.py, sha256"] = _text(row.bundle.installer)
    return "<dl>" + "".join(f"<div><dt>{_text(k)}</dt><dd>{v}</dd></div>" for k, v in pairs.items()) + "</dl>"


def _pending(items: tuple[PendingComponent, ...]) -> str:
    if not items:
        return ""
    rows = "".join(
        f"<li><h3>{_text(one.component)}</h3><p>{_prose(one.why)}</p>{_urls(one.urls)}"
        f"<p>Supply: {_prose(one.supply)}</p></li>"
        for one in items
    )
    return f'<details open><summary>{len(items)} pending</summary><ul class="pending">{rows}</ul></details>'


def _urls(urls: tuple[str, ...]) -> str:
    return "".join(f'<p class="url">{_text(url)}</p>' for url in urls)
