"""What stands already of what an install was asked for: in the environment in use, or in one that a rollback left."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..host import pythons, toolkits
from ..reading.contents import Contents
from ..talk import Talk
from . import bytecode, receipt
from .environment import Prefix


def find(
    prefix: Prefix, active: Path | None, contents: Contents, options: argparse.Namespace, talk: Talk
) -> Path | None:
    """Return the environment that is what was asked for, whole as its receipt says; None where none is.

    Args:
        prefix: The prefix.
        active: The environment in use, if any. One that it was gone back to from is taken too, and then another may be
            gone back to from that.
        contents: The wheelhouse.
        options: What was asked for.
        talk: Told why an environment of the same wheelhouse is none.
    """
    if active is None or options.reinstall:
        return None
    for env in (active, *_left(prefix, active)):
        if _stands(env, contents, options, talk):
            return env
    return None


def _left(prefix: Prefix, active: Path) -> list[Path]:
    """Return the environments that replaced the one in use and were left by a rollback, the newest first."""
    later = sorted((env for env in prefix.finished() if env.name > active.name), reverse=True)
    return [env for env in later if _previous(env) == active.name]


def _previous(env: Path) -> str:
    try:
        return str(receipt.read(env).get("previous"))
    except receipt.BadReceiptError:
        return ""


def _stands(env: Path, contents: Contents, options: argparse.Namespace, talk: Talk) -> bool:
    facts = receipt.read(env)
    if facts.get("manifest") != contents.digest:
        return False
    if lacking := _asked_besides(env, facts, options):
        talk.say(f"{env} {lacking}; installing afresh")
        return False
    difference = receipt.compare(env)
    if difference:
        talk.say(f"{env} was changed; installing afresh")
        return False
    if not pythons.starts(env):
        talk.say(f"{env} was made with a Python that is gone or another one now; installing afresh")
        return False
    return True


def _asked_besides(env: Path, facts: Mapping[str, Any], options: argparse.Namespace) -> str:
    """Return what the options ask for that an environment of the same wheelhouse has not; empty where it has all."""
    if options.offline_index and not (env / "pip.conf").is_file():
        return "has no offline index"
    if options.compile_bytecode and not facts.get(bytecode.FACT):
        return "is not compiled"
    if options.ascend and facts.get("ascend") != str(toolkits.at_home(options.ascend).absolute()):
        return f"was told another folder of CANN, {facts.get('ascend')}"
    return ""
