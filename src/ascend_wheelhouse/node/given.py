"""What was typed behind the options of the tools on a node: refused before anything is done where it cannot be."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .errors import UsageError
from .talk import Talk

_LISTS = {"bundle", "verify", "only", "without", "known", "pytest"}
_HELP = "the same command with --help tells what each option takes"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class BadOptionError(UsageError):
    """There is no such option, or what stands behind one is none of what can stand there."""


class CommandLine(argparse.ArgumentParser):
    """A command line in which a mistake is an error like any other, which a program reads as an object too."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would end the program with.

        Raises:
            BadOptionError: Always.
        """
        raise BadOptionError(f"{self.prog}: {message}.", next_step=_HELP)


def read(line: CommandLine, words: Sequence[str]) -> argparse.Namespace:
    """Return what was typed, or tell what is wrong with it and end the program with 2.

    Raises:
        SystemExit: It cannot be read, or asks for help.
    """
    try:
        return line.parse_args(words)
    except BadOptionError as error:
        raise SystemExit(Talk(as_json="--json" in words).fail(error)) from error


def require_sound(options: argparse.Namespace) -> None:
    """Raise where an option holds a character that no path or key of ours has, or nothing at all.

    Raises:
        BadOptionError: One does; the text names it.
    """
    for name, value in vars(options).items():
        each = value if isinstance(value, list) else [value]
        texts = [str(one) for one in each if isinstance(one, str | Path)]
        fault = next((f"holds {found[0]!a}" for text in texts if (found := _UNPRINTABLE.search(text))), "")
        if any(text and not text.strip() for text in texts):
            fault = "is nothing but blanks"
        if isinstance(value, list) and name not in _LISTS:  # what argparse makes of `--name=--`
            fault = "is empty"
        if fault:
            option = f"--{name.replace('_', '-')}"
            raise BadOptionError(
                f"{option} {fault}.",
                why="It is a path, a key or a name, and those hold letters, signs and blanks.",
                next_step=_HELP,
            )
