"""The command line of the installer, and which option means something beside which action.

An option that an action does not read is refused: whoever typed `--dry-run` must not see something written.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError
from ..given import CommandLine
from ..place import THIS

_INSTALL = "an install"
_TAKEN = {
    _INSTALL: "prefix bundle base payloads offline_index compile_bytecode dry_run reinstall installer ascend"
    " trusted_key insecure_no_signature allow_rollback",
    "check": "prefix dry_run",
    "rollback": "prefix dry_run",
    "uninstall": "prefix dry_run",
    "env": "prefix environment ascend dry_run",
    "doctor": "prefix bundle base ascend fix dry_run",
    "verify": "prefix ascend",
}
_ANYWHERE = ("json", "help")


class IgnoredOptionError(UsageError):
    """An option was given that the action beside it does not read."""


def parser() -> CommandLine:
    """Return the command line of the installer."""
    line = CommandLine(prog="install.py", description="Install a wheelhouse on this node.")
    line.add_argument("--prefix", type=Path, help="the folder that holds the environments")
    line.add_argument("--bundle", type=Path, nargs="+", default=[], help="a bundle, its parts, or a folder")
    line.add_argument("--base", type=Path, help="for a delta: the older bundle or its folder")
    line.add_argument("--payloads", action="store_true", help="install CANN and what belongs to it, too")
    line.add_argument(
        "--offline-index", action="store_true", help="keep the wheels as the environment's index"
    )
    line.add_argument(
        "--compile-bytecode",
        action="store_true",
        help="compile what is installed, for users who may not write",
    )
    line.add_argument("--dry-run", action="store_true", help="check everything and say what would be done")
    line.add_argument("--reinstall", action="store_true", help="install even where the same is installed")
    line.add_argument("--installer", choices=("uv", "pip"), default="uv", help="which of tools/ to use")
    line.add_argument(
        "--ascend", default="", help="the folder of CANN and NNAL, or CANN's own; ASCEND_ROOT names it, too"
    )
    line.add_argument("--trusted-key", help="SHA256:..., a public key or an allowed-signers file")
    line.add_argument("--insecure-no-signature", action="store_true", help="take an unsigned wheelhouse")
    line.add_argument("--allow-rollback", action="store_true", help="take one older than what is installed")
    line.add_argument("--json", action="store_true", help="answer with one JSON object")
    line.add_argument("--fix", action="store_true", help="with --doctor: set what can be set")
    line.add_argument("--environment", type=Path, help="with --env: one environment, in use or not")
    _add_actions(line)
    return line


def _add_actions(line: argparse.ArgumentParser) -> None:
    instead = line.add_argument_group("instead of an install").add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="compare the environment with its receipt")
    instead.add_argument("--rollback", action="store_true", help="go back to the previous environment")
    instead.add_argument("--uninstall", action="store_true", help="remove all environments")
    instead.add_argument(
        "--env", action="store_true", help="print the environment's variables for a shell to evaluate"
    )
    instead.add_argument("--doctor", action="store_true", help="examine the node")
    instead.add_argument(
        "--verify", nargs=argparse.REMAINDER, help="run the probes; options after it are for them"
    )


def require_read(options: argparse.Namespace) -> None:
    """Raise where an option was given that the action does not read.

    Raises:
        IgnoredOptionError: One was; the text names it and what it belongs to.
    """
    given = list(_given(options))
    action = next((name for name in _TAKEN if name in given), _INSTALL)
    taken = {*_TAKEN[action].split(), *_ANYWHERE, action}
    ignored = next((name for name in given if name not in taken), None)
    if ignored is None:
        return
    owners = [name for name, takes in _TAKEN.items() if ignored in takes.split()]
    kept = [name for name in given if name in taken]
    if action == _INSTALL and len(owners) == 1:  # what it is for was left out
        kept = [*(name for name in kept if name in _TAKEN[owners[0]].split()), owners[0], ignored]
    belongs = ", ".join(name if name == _INSTALL else _option(name) for name in owners)
    raise IgnoredOptionError(
        f"{_option(ignored)} means nothing in {action}."
        if action == _INSTALL
        else f"{_option(ignored)} means nothing with {_option(action)}.",
        why=f"It belongs to {belongs}. Nothing was done.",
        next_step=f"{THIS} {shlex.join(word for name in kept for word in _words(options, name))}",
    )


def _given(options: argparse.Namespace) -> Iterator[str]:
    """Yield the options that were typed; --verify, which takes all that follows, is the last."""
    defaults = parser()
    for name, value in vars(options).items():
        if value != defaults.get_default(name):
            yield name


def _words(options: argparse.Namespace, name: str) -> list[str]:
    value = getattr(options, name)
    if isinstance(value, bool) or not (value or name == "verify"):
        return [_option(name)]
    return [_option(name), *map(str, value if isinstance(value, list) else [value])]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
