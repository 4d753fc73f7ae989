"""What the table and the page of a matrix say in the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.matrix.standing import CellRow, Standing

UNREAD = "Reports that could not be read: a cell may be verified, or have failed, and is not told as that"
_FINDINGS = {"error": "defect", "warning": "warning", "note": "note"}


def state(row: CellRow) -> str:
    """Return what a cell is: `complete`, `2 pending`, or `failed (exit 7)`."""
    if row.state == "failed":
        return f"failed (exit {row.exit_code})"
    told = "complete" if row.state == "complete" else f"{len(row.pending)} pending"
    return told if not row.error else f"{told}, {row.step} failed (exit {row.exit_code})"


def audit(counts: Mapping[str, int] | None) -> str:
    """Return what the audit found; of a cell that nobody audited, that."""
    if counts is None:
        return "not audited"
    found = [forms.counted(counts.get(key, 0), word) for key, word in _FINDINGS.items() if counts.get(key)]
    if counts.get("error"):
        return ", ".join(found)
    return ", ".join(["no defect", *found])


def share(row: CellRow) -> str:
    """Return what only this cell has, and what it has in common with others."""
    one = row.share
    if not one.files:
        return ""
    own = f"{forms.size(one.own_size)} in {forms.counted(one.own_files, 'file')} alone"
    return f"{own}, {forms.size(one.shared_size)} in {one.shared_files} shared"


def verdict(found: Standing) -> str:
    """Return the whole matrix in one line."""
    count = len(found.rows)
    parts = [f"{found.count('complete')} of {forms.counted(count, 'cell')} complete"]
    parts += [f"{found.count(one)} {one}" for one in ("incomplete", "failed") if found.count(one)]
    late = Counter(str(row.step) for row in found.rows if row.error and row.state != "failed")
    parts += [f"{number} failed in the step {step}" for step, number in sorted(late.items())]
    if found.distinct:
        parts.append(
            f"{forms.size(found.size)} in all, {forms.size(found.distinct)} with what is shared once"
        )
    return ", ".join(parts)
