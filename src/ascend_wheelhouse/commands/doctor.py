"""`invoke doctor`: the node's own examination, run from here."""

from __future__ import annotations

from ascend_wheelhouse.node import doctor


def main(*, fix: bool, json: bool) -> int:
    """Examine this host and return the exit code."""
    words = [word for word, asked in (("--fix", fix), ("--json", json)) if asked]
    return doctor.main(words)
