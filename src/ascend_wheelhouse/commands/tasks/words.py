"""Words of the command line that more than one task takes: what they are called, and what they mean as values."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from invoke.context import Context

from ascend_wheelhouse.base.errors import UsageError

if TYPE_CHECKING:
    from ascend_wheelhouse.cells.request import Request, ToolchainChoice
    from ascend_wheelhouse.commands.tasks.farm_words import FarmWords
    from ascend_wheelhouse.make.options import LockChoice, MakeOptions
    from ascend_wheelhouse.shared_cache.choice import CacheChoice

RESOLVER = "pip-tools"
JSON = {"json": "machine-readable output"}
LOCK = {
    "resolver": "pip-tools (default) or uv",
    "exclude-newer": "leave out uploads after this date or RFC 3339 time",
}
CACHE = {
    "cache": "a shared cache: s3://, file://, sftp:// or https:// (may be repeated; WHEELHOUSE_CACHE)",
    "cache-key": "private key that signs what is pushed there; nothing is when not given",
    "cache-trust": "whose builds are taken from there: FILE.pub, a folder of them, or SHA256:... (may be repeated)",
}
CACHE_LISTS = ["cache", "cache_trust"]
PROFILE = {
    "profile": "write the times of the run to this page, and a trace beside it; profile.html without a name"
}
MAKING = {
    "offline": "use the store alone",
    "strict": "exit 8 when a component is missing (the default where CI is set)",
    "sandbox": "seal builds from source (--no-sandbox to go on without; the manifest says so)",
    "container": "build from source in this image; `recipe` for each recipe's own",
    "toolchain": "compiler of builds: host, own (see invoke toolchain), or auto, the host's where it fits",
    "output": "folder that holds the wheelhouses",
    "retry": "ask again for what is pending",
    "audit": "--no-audit leaves out the proof that the wheels fit together",
}
_CI_OFF = {"", "0", "false"}


class MissingOptionError(UsageError):
    """An option that this use of a command cannot do without was not given."""


class UnknownToolchainChoiceError(UsageError):
    """`--toolchain` names no kind of toolchain."""


class QuotationError(UsageError):
    """A quotation mark is not closed."""


def root_of(c: Context) -> Path:
    """Return the project folder: the one with `tasks.py`."""
    return Path(c.config.project.root)


def lock_choice(
    request: Request, exclude_newer: str, resolver: str, build: list[str] | None = None, *, upgrade: bool
) -> LockChoice:
    """Return which lock a run goes by.

    Raises:
        BadDateError: `--exclude-newer` is no date.
        UnknownResolverError: There is no such resolver.
    """
    from ascend_wheelhouse.cells.cutoff import cutoff
    from ascend_wheelhouse.make.options import LockChoice
    from ascend_wheelhouse.resolve.resolvers import resolver_name

    return LockChoice(
        request=request,
        exclude_newer=cutoff(exclude_newer),
        upgrade=upgrade,
        resolver=resolver_name(resolver or RESOLVER),
        build=frozenset(filter(None, build or ())),
    )


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


def cache_choice(urls: list[str] | None, key: str, trust: list[str] | None) -> CacheChoice:
    """Return the shared caches of a run, as options say it or else the environment."""
    from ascend_wheelhouse.shared_cache.choice import CacheChoice

    return CacheChoice.of(urls or (), key, trust or ())


def path_of(text: str) -> Path | None:
    """Return the path that an option names, None where it was not given."""
    return Path(text) if text else None


def profile_of(value: str | bool) -> Path | None:
    """Return the page that `--profile` names, a default where it names none, None where it was not given."""
    return Path("profile.html") if value is True else path_of(str(value or ""))


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


def in_ci() -> bool:
    """Tell whether `CI` is set, where what is missing is an error."""
    return os.environ.get("CI", "").lower() not in _CI_OFF


def make_options(
    out: Path,
    lock: LockChoice,
    build: tuple[bool, str, str],
    farm: FarmWords,
    *,
    offline: bool,
    audit: bool,
) -> MakeOptions:
    """Return how a wheelhouse is made; `build` is the sandbox, the container and the toolchain."""
    from ascend_wheelhouse.make.options import BuildPlace, MakeOptions

    sandbox, container, toolchain = build
    return MakeOptions(
        lock=lock,
        build=BuildPlace(sandbox=sandbox, container=container, toolchain=toolchain_choice(toolchain)),
        output=out,
        offline=offline,
        audit=audit,
        farm=farm.choice(),
    )
