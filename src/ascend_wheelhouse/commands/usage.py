"""Bad usage of the command line itself: exit 2, and the command that was probably meant.

invoke ends with 1 on an unknown task or option and proposes nothing. It has no hook for that, so its two methods that
parse are wrapped when `tasks.py` is loaded, which is before they are called.
"""

from __future__ import annotations

import functools
import itertools
import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from ascend_wheelhouse import console
from ascend_wheelhouse.base import interrupts, settings, started
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.commands import spelling
from ascend_wheelhouse.commands.spelling import Typed

_HELP = {"-h", "--help"}
_VALUELESS = re.compile(r"Flag <Argument: (?P<name>[\w-]+).*> needed value and was not given one!")
_MAIN = "wheelhouse"
_WITH_COMMAS = ("--upgrade-package", "--only", "--extra")
_LONGEST = 1 << 16
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNKNOWN = re.compile(r"No idea what '(?P<word>.*)' is!", re.DOTALL)


class BadCommandLineError(UsageError):
    """The command line cannot be read: no such command or option, or a value that none of them can have."""


def propose() -> None:
    """Have invoke end with 2 and a proposal where it cannot parse a command line; once, however often called."""
    for name in ("parse_tasks", "parse_cleanup"):
        original = getattr(Program, name)
        if not getattr(original, "proposes", False):
            setattr(Program, name, _proposing(original))


def _proposing(original: Callable[[Program], None]) -> Callable[[Program], None]:
    @functools.wraps(original)
    def parse(self: Program) -> None:
        try:
            with console.telling_system(json=interrupts.wants_json(self.argv)):
                try:
                    original(self)
                    if task := _asking_for_help(self):
                        self.print_task_help(task)
                        raise Exit
                finally:
                    sys.stdout.flush()  # not later, where nobody would tell
            _refuse_options_as_values(self)
        except ParseError as error:
            raise refused(_twice(self, error) or _told(self, error), self.argv) from error
        if fault := next(_odd_values(self), None):
            raise refused(fault, self.argv)

    parse.proposes = True  # type: ignore[attr-defined]  # a mark of our own
    return parse


def refused(error: UsageError, argv: Sequence[str]) -> Exit:
    """Tell of bad usage, on standard output too where a program asked for JSON, and return what ends the run.

    Args:
        error: What is wrong with the command line.
        argv: All of it.
    """
    console.print_error(error, json=interrupts.wants_json(argv))
    return Exit(code=error.exit_code)


def _asking_for_help(program: Program) -> str:
    """Return the task whose positional argument took the request for help for its value; empty where none did."""
    for context in program.tasks:
        if any(one.positional and one.raw_value in _HELP for one in context.args.values()):
            return str(context.name)
    return ""


def _refuse_options_as_values(program: Program) -> None:
    """Refuse what invoke takes for the value of an argument and what is a mistyped or a forgotten option.

    Raises:
        ParseError: A value begins with a dash.
    """
    for context in program.tasks:
        for argument in context.args.values():
            value = argument.raw_value
            if isinstance(value, str) and value.startswith("-"):
                if argument.positional:
                    raise ParseError(f"No idea what {value!r} is!", context)
                raise ParseError(
                    f"--{argument.name} of {context.name} needs a value, and {value} is none", context
                )


def _odd_values(program: Program) -> Iterator[BadCommandLineError]:
    """Yield what is wrong with what stands behind options: no path, version or name of ours holds such characters.

    Invoke's `--dry` is wrong too: it keeps shell commands from running, and tasks here do their work without any.
    """
    if program.args["dry"].value:
        yield BadCommandLineError(
            "--dry (-R) would keep nothing from being done.",
            why="It is Invoke's, for shell commands of tasks; these tasks have none.",
            next_step="--dry-run behind the command, where it has that",
        )
    for context in program.tasks:
        task = context.name
        for argument in context.args.values():
            given = argument.value if isinstance(argument.value, list) else [argument.value]
            for value in (one for one in given if isinstance(one, str)):
                if fault := _fault(value, needed=argument.positional):
                    text = f"--{argument.name.replace('_', '-')} of {task} {fault}."
                    yield BadCommandLineError(text, next_step=f"invoke --help {task}")
    if fault := _fault(program.core.remainder, needed=False):
        yield BadCommandLineError(f"what stands behind `--` {fault}.", next_step="invoke --list")


def _fault(value: str, *, needed: bool) -> str:
    if needed and not value:
        return "is empty"
    if value and not value.strip():
        return "is nothing but blanks"
    if len(value) > _LONGEST:
        return f"is {len(value)} characters long, and at most {_LONGEST} can be"
    if found := _UNPRINTABLE.search(value):
        return f"holds the character {found[0]!a}, which is neither a letter, a sign nor a blank"
    return ""


def _told(program: Program, error: ParseError) -> BadCommandLineError:
    typed = list(program.argv[1:])
    found = _UNKNOWN.fullmatch(str(error))
    task = getattr(error.context, "name", None) or ""
    helping = f"invoke --help {task}" if task else "invoke --list"
    if found is None:
        text = _VALUELESS.sub(rf"--\g<name> of {task} needs a value", str(error))
        return BadCommandLineError(text, next_step=helping)
    flags = _flags(program, error)
    word = (_mistyped(typed, task, flags) if task else "") or found["word"]
    if not task and (early := _early(program, word, typed)):
        return early
    if valued := [one for one in typed if one.endswith(f"={word}") and one.partition("=")[0] in flags]:
        flag = valued[0].partition("=")[0]
        right = shlex.join([started.program(), *(flag if one == valued[0] else one for one in typed)])
        return BadCommandLineError(f"{flag} of {task} takes no value.", next_step=right)
    if task == "audit" and not word.startswith("-"):
        told = f"wheels stand after `--`, and {word!r} does not."
        return BadCommandLineError(told, next_step=_audit(typed, flags))
    if word.startswith("-"):
        needing = _needing_a_value(word, flags, typed)
        what = f"option {word!r}{f' of {task}' if task else ''}"
        return _unknown(what, word, flags, typed, helping, needing=needing)
    return _stray(program, word, task, flags)


def _twice(program: Program, error: ParseError) -> BadCommandLineError | None:
    """Return what is wrong where an option of one value has several: only some of them take a list of it."""
    task, typed = getattr(error.context, "name", None), list(program.argv[1:])
    if error.context is None or task not in typed:
        return None
    flags = {
        flag: one
        for flag, one in spelling.flags_of(error.context).items()
        if getattr(one, "takes_value", False) and one.kind is not list
    }
    found = spelling.places(typed, typed.index(task) + 1, flags, program.collection.task_names)
    several = next((option for option, places in found.items() if len(places) > 1), "")
    return _given_twice(several, task, typed, found[several]) if several else None


def _given_twice(
    option: str, task: str, typed: Sequence[str], places: Sequence[Typed]
) -> BadCommandLineError:
    """Return what is told of an option that stands at several places; the last value stays, or all with commas."""
    words: list[str | None] = [*typed]
    for place in places:
        words[place.span.start : place.span.stop] = [None] * len(place.span)
    joined = option in _WITH_COMMAS
    value = ",".join(place.value for place in places) if joined else places[-1].value
    words[places[0].span.start] = f"{option}={value}" if value else option
    many = "and takes several values with commas between them" if joined else "and takes one value"
    return BadCommandLineError(
        f"{option} of {task} stands twice, {many}.",
        next_step=shlex.join([started.program(), *(one for one in words if one is not None)]),
    )


def _stray(program: Program, word: str, task: str, flags: Mapping[str, Any]) -> BadCommandLineError:
    """Return what is wrong with a word that is no command: its option was left out, or it was mistyped.

    The option is that of the page behind `--html`, else, of a path, that of the wheelhouse or of where those go.
    """
    typed = list(program.argv[1:])
    at = typed.index(word) if word in typed else 0
    ways = (
        ["--out"] if at and typed[at - 1] == "--html" else ["--wheelhouse", "--output"] if "/" in word else []
    )
    if at and task != "vendor" and (option := next((one for one in ways if one in flags), "")):
        told = f"what stands behind `{task}` needs its option, and {word!r} has none before it."
        right = shlex.join([started.program(), *typed[:at], option, *typed[at:]])
        return BadCommandLineError(told, next_step=right)
    if at and (completed := _completed(typed, flags)):
        told = f"each value of `{task}` stands behind its option, and {word!r} has none before it."
        return BadCommandLineError(told, next_step=shlex.join([started.program(), *completed]))
    refusal = _unknown(f"command {word!r}", word, program.collection.task_names, typed, "invoke --list")
    return _vendor(typed, refusal) if word in typed[2:] and refusal.next_step == "invoke --list" else refusal


def _completed(typed: Sequence[str], flags: Mapping[str, Any]) -> list[str]:
    """Return a command line with the option before each value that lacks it; empty where one of them fits none."""
    words = [typed[0]]
    given = {spelling.spelled(one, flags)[0] for one in typed if one.startswith("-")}
    before = ""
    for word in typed[1:]:
        bare = not word.startswith("-") and not getattr(flags.get(before), "takes_value", False)
        option, value = _of_option(word) if bare else ("", word)
        if bare and (option not in flags or option in given):
            return []
        words += [option, value] if bare else [word]
        given.add(option)
        before = word
    return words


def _of_option(word: str) -> tuple[str, str]:
    """Return the option that a value is probably of, and the value: `torch=2.8.0`, `aarch64`, or a version alone."""
    name, equals, value = word.partition("=")
    if equals:
        return f"--{name}", value.lstrip("=")
    key = next((key for key, values in settings.CHOICES.items() if word in values), "")
    if not key and re.fullmatch(settings.SHAPES["torch"][0], word):
        key = "torch"
    return f"--{key}", word


def _vendor(typed: Sequence[str], otherwise: BadCommandLineError) -> BadCommandLineError:
    """Return what imports each of several files, as a pattern of the shell gives them; else what is told otherwise."""
    files = list(itertools.takewhile(lambda word: not word.startswith("-"), typed[1:]))
    if typed[0] != "vendor" or not files[1:]:
        return otherwise
    more = "".join(f" {shlex.quote(word)}" for word in typed[1 + len(files) :])
    each = f'{started.program()} vendor "$file"{more}'
    return BadCommandLineError(
        "vendor takes one file or folder.", next_step=f"for file in {shlex.join(files)}; do {each}; done"
    )


def _early(program: Program, word: str, typed: Sequence[str]) -> BadCommandLineError | None:
    """Return what is wrong with a task's option that stands before its task, or with no task, if it is one."""
    option = word.partition("=")[0]
    able = [one for one in program.collection.to_contexts() if option in {**one.flags, **one.inverse_flags}]
    if not able:
        return None
    names = {name for one in able for name in (one.name, *one.aliases)}
    before = typed[: typed.index("--")] if "--" in typed else typed
    named = next((one for one in before if one in names), "")
    task = named or (_MAIN if _MAIN in names else "")
    if not task:
        task, *others = sorted(str(one.name) for one in able)
        return BadCommandLineError(
            f"{option} is an option of {', '.join([task, *others])}, and no such command stands before it.",
            next_step=f"invoke --help {task}",
        )
    behind = list(typed)
    if named:
        behind.remove(named)
    told = f"{option} is an option of {task}, and options of a command stand behind it."
    return BadCommandLineError(told, next_step=shlex.join([started.program(), task, *behind]))


def _mistyped(typed: Sequence[str], task: str, flags: Mapping[str, Any]) -> str:
    """Return the first word that looks like an option and is none: what comes after it is read wrongly for its sake."""
    start = typed.index(task) if task in typed else 0
    before = typed[start : typed.index("--")] if "--" in typed else typed[start:]
    options = (one.partition("=")[0] for one in before if one.startswith("--"))
    return next((one for one in options if one not in flags), "")


def _flags(program: Program, error: ParseError) -> Mapping[str, Any]:
    """Return the options that may stand where the parser stopped: the task's, else invoke's own."""
    contexts = [program.initial_context, *([error.context] if error.context else [])]
    return {flag: one for context in contexts for flag, one in spelling.flags_of(context).items()}


def _needing_a_value(word: str, flags: Mapping[str, Any], typed: Sequence[str]) -> list[str]:
    """Return the options that cannot stand for a word that was typed without a value."""
    at = next((place for place, one in enumerate(typed) if one.partition("=")[0] == word), len(typed))
    own, behind = [*typed[at : at + 2], "", ""][:2]
    if "=" in own or (behind and not behind.startswith("-")):
        return []
    needs = (name for name, one in flags.items() if getattr(one, "takes_value", False))
    return [name for name in needs if not flags[name].optional]


def _unknown(
    what: str,
    word: str,
    known: Iterable[str],
    typed: Sequence[str],
    listing: str,
    *,
    needing: Collection[str] = (),
) -> BadCommandLineError:
    import difflib  # noqa: PLC0415 - only a mistake pays for it

    given = {one.partition("=")[0] for one in typed if one.startswith("-")}
    open_to = [str(name) for name in known if str(name) not in given]  # an option twice makes no sense
    bare = {name.lstrip("-"): name for name in open_to}  # dashes alone are no likeness
    near = [bare[name] for name in difflib.get_close_matches(word.lstrip("-"), bare, n=1)]
    if not near:
        return BadCommandLineError(f"there is no {what}.", next_step=listing)
    right = [near[0] + one.removeprefix(word) if one.partition("=")[0] == word else one for one in typed]
    command = listing if near[0] in needing else shlex.join([started.program(), *right])
    return BadCommandLineError(f"there is no {what}. Did you mean {near[0]}?", next_step=command)


def _audit(typed: Sequence[str], flags: Mapping[str, Any]) -> str:
    """Return the command with every wheel behind the dashes, and every option with its value before them."""
    before, behind = list(typed[: typed.index("--")] if "--" in typed else typed), []
    behind = list(typed[len(before) + 1 :])
    options, wheels, words = [], [], iter(before)
    for word in words:
        if not word.startswith("-"):
            wheels.append(word)
            continue
        options.append(word)
        if "=" not in word and getattr(flags.get(word), "takes_value", False):
            options.append(next(words, ""))
    return shlex.join([started.program(), "audit", *options, "--", *wheels[1:], *behind])
