"""Whether `requirements.<platform>.txt` of a lock names the files that its pylock names.

Every command goes by the pylock; whoever runs pip, uv or pip-sync with a lock goes by its requirements. An edit or a
merge that changed one of the two alone would give them other wheels without a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ascend_wheelhouse.locks.pylock import LockedFile, dump_requirements


def fault(path: Path, files: Iterable[LockedFile]) -> str:
    """Return how the requirements differ from the wheels of the pylock beside them; empty where they do not.

    Args:
        path: `requirements.<platform>.txt`; comments and the order of its lines are of no account.
        files: The wheels of the pylock.
    """
    found, expected = _pins(path.read_text("utf-8", errors="replace")), _pins(dump_requirements(files))
    for text, lines in (("lacks", expected - found), ("holds", found - expected)):
        if lines:
            other = "which the pylock has" if text == "lacks" else "which the pylock has not"
            return f"it {text} {min(lines)!r}, {other}"
    return ""


def _pins(text: str) -> set[str]:
    """Return what a file of requirements says, a line each, without comments and line ends."""
    lines = (line.partition("#")[0] for line in text.removeprefix("\ufeff").splitlines())
    whole = "\n".join(line.rstrip() for line in lines).replace("\\\n", " ")
    return {" ".join(line.split()) for line in whole.splitlines()} - {""}
