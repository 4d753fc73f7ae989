"""Bad usage of the command line itself: exit 2, and what was probably meant.

invoke ends with 1 on an unknown task or option and proposes nothing. It has no hook for that, so its one method that
parses tasks is wrapped when `tasks.py` is loaded, which is before it is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

_BAD_USAGE = 2
_LONGEST = 1 << 16
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
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
        if fault := next(_odd_values(self), ""):
            raise Exit(fault, code=_BAD_USAGE)

    parse_tasks.proposes = True  # type: ignore[attr-defined]
    Program.parse_tasks = parse_tasks  # type: ignore[method-assign]


def _odd_values(program: Program) -> Iterator[str]:
    """Yield what is wrong with what stands behind options: no path, version or name of ours holds such characters."""
    for task in program.tasks:
        for argument in task.args.values():
            given = argument.value if isinstance(argument.value, list) else [argument.value]
            for value in (one for one in given if isinstance(one, str)):
                if fault := _fault(value, needed=argument.positional):
                    text = f"Error: --{argument.name.replace('_', '-')} of {task.name} {fault}."
                    yield f"{text}\n\nNext: invoke --help {task.name}"
    if fault := _fault(program.core.remainder, needed=False):
        yield f"Error: what stands behind `--` {fault}.\n\nNext: invoke --list"


def _fault(value: str, *, needed: bool) -> str:
    if needed and not value:
        return "is empty"
    if len(value) > _LONGEST:
        return f"is {len(value)} characters long, and at most {_LONGEST} can be"
    if found := _UNPRINTABLE.search(value):
        return f"holds the character {found[0]!a}, which is neither a letter, a sign nor a blank"
    return ""


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
