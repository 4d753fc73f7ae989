"""The words that name a cell on the command line: every command that a message proposes carries them.

Without them a proposed command would be about the default cell, and `invoke lock --upgrade` would move the pins of
another wheelhouse than the one that failed. Code that knows its cell writes `cell.words`. Code that knows none writes
`{cell}` (`errors.CELL`) into the text of its error; the command that shows the error puts in what the user gave.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

APPLICATION = "sglang"
"""The application of a cell that names none."""
_DEFAULT = {"npu": "a3", "glibc": "2.28", "python": "3.11", "app": APPLICATION}


def own_words(words: Mapping[str, str]) -> str:
    """Return the options that name a cell, such as `--torch 2.8.0 --platform aarch64 --cann 8.5.0`.

    Args:
        words: Values of `torch`, `platform`, `npu`, `glibc`, `python`, `cann`, `sglang`, `app`, `extra` and `stack`,
            as far as they were given.
    """
    names = ["stack"] if words.get("stack") else ["torch"]
    names += ["platform", "npu", "glibc", "python"]
    names += [] if words.get("stack") else ["cann", "sglang", "app"]
    names += ["extra"]
    given = {name: words.get(name, "") for name in names}
    said = (
        f"--{name} {shlex.quote(value)}"
        for name, value in given.items()
        if value not in {"", _DEFAULT.get(name)}
    )
    return " ".join(said)


def stated_words(cell: Mapping[str, str]) -> str:
    """Return the options that name the cell that a manifest or a lock states."""
    return own_words({**cell, "platform": cell.get("machine", ""), "stack": ""})
