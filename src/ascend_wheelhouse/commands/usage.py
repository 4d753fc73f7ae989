"""Bad usage of the command line itself: exit 2, and what was probably meant.

invoke ends with 1 on an unknown task or option and proposes nothing. It has no hook for that, so its one method that
parses tasks is wrapped when `tasks.py` is loaded, which is before it is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

_BAD_USAGE = 2
_UNKNOWN = re.compile(r"No idea what '(?P<word>.*)' is!", re.DOTALL)


def propose() -> None:
    """Have invoke end with 2 and a proposal where it cannot parse a command line; once, however often called."""
    original = Program.parse_tasks
    if getattr(original, "proposes", False):
        return

    def parse_tasks(self: Program) -> None:
        try:
            original(self)
        except ParseError as error:
            raise Exit(_text(self, error), code=_BAD_USAGE) from error

    parse_tasks.proposes = True  # type: ignore[attr-defined]
    Program.parse_tasks = parse_tasks  # type: ignore[method-assign]


def _text(program: Program, error: ParseError) -> str:
    found = _UNKNOWN.fullmatch(str(error))
    task = getattr(error.context, "name", None) or ""
    if found is None:
        return f"Error: {error}\n\nNext: invoke --help {task}".rstrip()
    word = found["word"]
    if task == "audit" and not word.startswith("-"):
        return f"Error: wheels stand after `--`, and {word!r} does not.\n\nNext: invoke audit -- {word}"
    if word.startswith("-"):
        flags = error.context.flags if error.context else {}
        return _unknown(f"option {word!r} of {task}", word, flags, f"invoke --help {task}", f"invoke {task} ")
    return _unknown(f"command {word!r}", word, program.collection.task_names, "invoke --list", "invoke ")


def _unknown(what: str, word: str, known: Iterable[str], listing: str, start: str) -> str:
    import difflib  # noqa: PLC0415 - only a mistake pays for it

    near = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return f"Error: there is no {what}.{meant}\n\nNext: {start + near[0] if near else listing}"
