"""How the program was started, which is how the commands must be written that it proposes.

Every text in the code, in recipes and in lock files says `invoke TASK`, as it is typed in a clone. Where a person or a
program reads a text, the console puts in the words that start the same here. Nothing that is written to a file changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

INVOKE = "invoke"
_SESSION = re.compile(r"\bnox -s verify(?: --)?(?![\w-])")


@dataclass
class _Started:
    """What a proposed command begins with.

    Args:
        program: The program's name.
        session: What stands for `nox -s verify`; empty where nox has that session.
        tasks: Finds the `invoke` of a command.
    """

    program: str = INVOKE
    session: str = ""
    tasks: re.Pattern[str] = field(default_factory=lambda: re.compile(r"(?!)"))


_NOW = _Started()


def started_as(program: str, tasks: Iterable[str], *, session: str = "") -> None:
    """Have proposed commands begin with another program from now on.

    Args:
        program: Its name.
        tasks: The names of its tasks; what follows `invoke` elsewhere is prose.
        session: What stands for `nox -s verify`; empty where nox has that session.
    """
    words = "|".join(map(re.escape, sorted(["--help", "--list", *tasks], key=len, reverse=True)))
    _NOW.program, _NOW.session = program, session
    _NOW.tasks = re.compile(rf"\b{INVOKE} (?=(?:{words})(?![\w-]))")


def program() -> str:
    """Return the name that the program was started by."""
    return _NOW.program


def as_started(text: str) -> str:
    """Return a text with its commands as they are typed here."""
    if _NOW.program == INVOKE:
        return text
    text = _NOW.tasks.sub(f"{_NOW.program} ", text)
    return _SESSION.sub(lambda _: _NOW.session, text) if _NOW.session else text
