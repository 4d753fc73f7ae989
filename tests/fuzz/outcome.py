"""How a command ended that ran in this very process, and what is asked of every end."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base.errors import WheelhouseError

_REPORTED = {7, 9}
"""Codes that a whole report may end with, which stands on standard output."""
_WHAT = re.compile(r'^(error: \S|usage: |next, |\s+"message": "\S)', re.MULTILINE | re.IGNORECASE)
_NEXT = re.compile(r'^(next: \S|next, \S|usage: |\s+"repair": "\S)', re.MULTILINE | re.IGNORECASE)
README = Path(__file__).parents[2] / "README.md"
FAULT = 70
_TABLE = README.read_text().partition("## Exit codes")[2]
DOCUMENTED = {int(number) for number in re.findall(r"^\| (\d+) \|", _TABLE, re.MULTILINE)} - {FAULT, 130}
"""The codes that what was typed, or a file, may lead to."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The exit code of a command and what it printed."""

    status: int
    out: str
    err: str


def run(act: Callable[[], object]) -> Ended:
    """Run a command to its end, its output apart; an exception that is no end of a command goes through.

    The streams are as strict as those of a terminal in a UTF-8 locale.
    """
    out, err = _stream("strict"), _stream("backslashreplace")
    status: object = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            answer = act()
            status = answer if isinstance(answer, int) else 0
        except SystemExit as end:
            status = end.code or 0
    return Ended(status=status if isinstance(status, int) else 1, out=_text(out), err=_text(err))


def require_error(error: WheelhouseError) -> None:
    """Hold an error to the same property."""
    assert error.exit_code in DOCUMENTED
    assert error.what
    assert error.next_step


def require_code(ended: Ended) -> None:
    """Hold an end to the first half of the property: a documented code that is no fault, and no traceback."""
    kept = re.search(r"\S*ascend-wheelhouse-fault-\w+\.txt", ended.err)
    trace = ""
    if kept and Path(kept[0]).is_file():
        trace = Path(kept[0]).read_text()
        Path(kept[0]).unlink()
    assert ended.status in DOCUMENTED, f"{ended.status}: {ended.err}{trace}"
    assert "Traceback" not in ended.err + ended.out


def require_told(ended: Ended) -> None:
    """Hold an end to the whole property: also a refusal says what happened and what to do next."""
    require_code(ended)
    if ended.status:
        told = ended.err + (ended.out if ended.status in _REPORTED else "")
        assert _WHAT.search(told), told
        assert _NEXT.search(told), told


def _stream(errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", errors=errors, write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode("utf-8", "replace")
