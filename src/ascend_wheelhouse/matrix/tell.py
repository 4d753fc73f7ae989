"""What stands of a matrix as a table for people, and as the document of `--json`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from ascend_wheelhouse import console
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.matrix import words
from ascend_wheelhouse.matrix.standing import CellRow, PendingComponent, Standing


def document(found: Standing) -> dict[str, Any]:
    """Return what `--json` prints (docs/json.md)."""
    return {
        "exit_code": found.exit_code,
        "size": found.size,
        "distinct": found.distinct,
        "cells": [_cell(row) for row in found.rows],
        "unread": [asdict(one) for one in found.unread],
    }


def _cell(row: CellRow) -> dict[str, Any]:
    share = asdict(row.share)
    shared = {"shared_files": row.share.shared_files, "shared_size": row.share.shared_size}
    return {**asdict(row), "share": share | shared, "exit_code": row.exit_code}


def show(found: Standing) -> None:
    """Print the table, then what is pending and what failed, each once, and the verdict."""
    rows = [
        [
            str(row.number),
            row.name,
            words.state(row),
            words.audit(row.audit) if row.folder else "",
            row.verify.words if row.folder else "",
            forms.size(row.share.size) if row.share.files else "",
            words.share(row),
        ]
        for row in found.rows
    ]
    console.records(["cell", "name", "state", "audit", "verify", "size", "of that"], rows)
    _show_pending(found)
    _show_errors(found)
    for row in found.rows:
        if row.bundle:
            signer = row.bundle.fingerprint or "nobody"
            told = f"{forms.size(row.bundle.size)}, serial {row.bundle.serial}, signed by {signer}"
            console.line(f"bundle of {row.number}: {' '.join(row.bundle.paths)}: {told}")
    if found.unread:
        console.line(f"\n{words.UNREAD}:")
        console.records(["report", "why"], [[one.path, one.why] for one in found.unread])
    console.line(f"\n{words.verdict(found)}")


def _show_pending(found: Standing) -> None:
    """Print each pending component once, with the cells that lack it for the same reason and supply."""
    cells: defaultdict[PendingComponent, list[str]] = defaultdict(list)
    for row in found.rows:
        for one in row.pending:
            cells[one].append(str(row.number))
    if not cells:
        return
    console.line("\nPending, and what supplies it:")
    console.records(
        ["component", "cells", "why", "from", "how"],
        [
            [one.component, ", ".join(numbers), one.why, " ".join(one.urls), one.supply]
            for one, numbers in cells.items()
        ],
    )


def _show_errors(found: Standing) -> None:
    failed = [row for row in found.rows if row.error]
    if not failed:
        return
    console.line("\nFailed:")
    console.records(
        ["cell", "error", "what", "why", "next"],
        [
            [
                f"{row.number} {row.name}",
                f"{error['error']}, exit {error['exit_code']}, step {row.step}",
                *(str(error[key]) for key in ("what", "why", "next")),
            ]
            for row in failed
            for error in [row.error or {}]
        ],
    )
