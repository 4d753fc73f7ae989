"""Options of a command line as they are typed: in full or by one letter, their value glued to them or behind them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invoke.parser.context import ParserContext


@dataclass(frozen=True, kw_only=True)
class Typed:
    """One option where it stands.

    Args:
        span: Its words.
        value: What is given to it, empty for nothing.
    """

    span: range
    value: str


def spelled(word: str, flags: Mapping[str, Any]) -> tuple[str, str]:
    """Return the option that a word is, in full, and the value in it: `-paarch64` is `--platform` and `aarch64`.

    Args:
        word: As typed.
        flags: Options as the parser knows them, `-p` and `--platform`.

    Returns:
        What is no option of them comes back as it is.
    """
    name, _, value = word.partition("=")
    one = flags.get(name)
    if one is None and word.startswith("-") and getattr(flags.get(word[:2]), "takes_value", False):
        one, value = flags[word[:2]], word[2:]
    own = getattr(one, "name", "")
    return (f"--{own.replace('_', '-')}", value) if own else (name, value)


def flags_of(context: ParserContext) -> dict[str, Any]:
    """Return the options of a command by each of their spellings; what turns one off has its name for a value."""
    named = {
        f"{'-' if len(name) == 1 else '--'}{name.replace('_', '-')}": one
        for one in context.args.values()
        for name in one.names
    }
    return {**context.flags, **named, **context.inverse_flags}


def places(
    typed: Sequence[str], start: int, flags: Mapping[str, Any], tasks: Container[str]
) -> dict[str, list[Typed]]:
    """Return where each option stands, by its full name.

    Args:
        typed: The command line.
        start: The place behind the command.
        flags: Its options of one value, as the parser knows them.
        tasks: Every command: another one ends the options of this one.
    """
    found: dict[str, list[Typed]] = {}
    at = start
    while at < len(typed) and typed[at] != "--" and typed[at] not in tasks:
        word = typed[at]
        name, value = spelled(word, flags)
        one = flags.get(name)
        behind = "".join(typed[at + 1 :][:1])
        alone = one is None or "=" in word or bool(value) or (one.optional and behind[:1] in {"", "-"})
        span = range(at, min(at + (1 if alone else 2), len(typed)))
        if one is not None:
            found.setdefault(name, []).append(Typed(span=span, value=value if alone else behind))
        at = span.stop
    return found
