"""Words of the command line that more than one task takes: what they are called, and what they mean as values."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from invoke.context import Context

from ascend_wheelhouse.base.errors import UsageError

if TYPE_CHECKING:
    from ascend_wheelhouse.cells.request import ToolchainChoice

JSON = {"json": "machine-readable output"}
PROFILE = {
    "profile": "write the times of the run to this page, and a trace beside it; profile.html without a name"
}


class MissingOptionError(UsageError):
    """An option that this use of a command cannot do without was not given."""


class UnknownToolchainChoiceError(UsageError):
    """`--toolchain` names no kind of toolchain."""


class QuotationError(UsageError):
    """A quotation mark is not closed."""


def root_of(c: Context) -> Path:
    """Return the project folder: the one with `tasks.py`."""
    return Path(c.config.project.root)


def toolchain_choice(text: str) -> ToolchainChoice:
    """Return which compilers a build takes.

    Raises:
        UnknownToolchainChoiceError: There is no such choice.
    """
    from ascend_wheelhouse.cells.request import ToolchainChoice

    known: tuple[ToolchainChoice, ...] = get_args(ToolchainChoice)
    choice = next((one for one in known if one == text), None)
    if choice is None:
        raise UnknownToolchainChoiceError(
            f"Unknown choice of a toolchain: {text!r}.",
            next_step=f"--toolchain {' or --toolchain '.join(known)}",
        )
    return choice


def path_of(text: str) -> Path | None:
    """Return the path that an option names, None where it was not given."""
    return Path(text) if text else None


def profile_of(value: str | bool) -> Path | None:
    """Return the page that `--profile` names, a default where it names none, None where it was not given.

    A folder gets the default in it: one that is there, or whose name ends with a slash.
    """
    path = path_of("." if value is True else str(value or ""))
    if path is not None and (path.is_dir() or str(value).endswith("/")):
        return path / "profile.html"
    return path


def require(text: str, option: str, *, next_step: str) -> None:
    """Hold that an option was given.

    Raises:
        MissingOptionError: It was not.
    """
    if not text:
        raise MissingOptionError(f"{option} is missing.", next_step=next_step)


def split_words(text: str) -> list[str]:
    """Return the words of a command line given as one text.

    Raises:
        QuotationError: A quotation mark in it is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise QuotationError(
            f"{text!r} cannot be read as words of a command.",
            why=f"{error}: as in a shell, ' and \" stand in pairs.",
            next_step="the same command with every quotation mark closed",
        ) from error
