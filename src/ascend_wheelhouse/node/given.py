"""What was typed behind the options of the tools on a node: refused before anything is done where it cannot be."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from .errors import UsageError

_LISTS = {"bundle", "verify", "only", "without", "known", "pytest"}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class BadOptionError(UsageError):
    """What stands behind an option is none of what can stand there."""


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
                next_step="the same command with --help tells what each option takes",
            )
