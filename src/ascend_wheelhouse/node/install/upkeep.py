"""What is done with an environment that stands: check it, go back to the one before, remove all."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import IntegrityError
from ..talk import Talk
from . import own_python, receipt, shared
from .activate import astray, lead_in
from .environment import Prefix

DRY = {"changed": False, "dry_run": True}


class BrokenPreviousError(IntegrityError):
    """The environment to go back to is no longer what its receipt says."""


def keep(prefix: Prefix, active: Path, facts: Mapping[str, Any], talk: Talk) -> int:
    """Answer an install of what is in use already; the entries of the prefix and the signer are put right.

    Args:
        prefix: The prefix, locked.
        active: The environment in use, which is whole.
        facts: What is known of the install; its answer's facts.
        talk: How the answer is given.
    """
    prefix.prune(newer=False)  # what a run left that was killed right after its switch
    restored = lead_in(prefix.root)
    signed_anew = receipt.note_signer(active, facts["signer"])
    text = f"{facts['stack']} is already installed in {active}"
    text += f"; put back: {', '.join(restored)}" if restored else ""
    text += f"; its receipt names the key {facts['signer']} now" if signed_anew else ""
    talk.answer(text, {**facts, "changed": bool(restored or signed_anew), "environment": str(active)})
    return 0


def check(prefix: Prefix, talk: Talk) -> int:
    """Compare the environment in use with its receipt.

    Raises:
        EnvironmentChangedError: They differ.
        OwnPythonError: The Python that it was made with is another one now.
    """
    env = prefix.required()
    receipt.compare(env).require_none(env)
    own_python.require(env)
    if names := astray(prefix.root):
        raise receipt.EnvironmentChangedError(
            f"{prefix.root} lacks links into {env}: {', '.join(names)}.",
            why="They were removed or replaced; the environment itself is as its receipt says.",
            next_step=receipt.again(env),
        )
    facts = receipt.read(env)
    count = sum(len(facts.pop(key, ())) for key in ("files", shared.PYTHON_FILES))
    talk.answer(f"{env}: {count} files as its receipt says ({facts['stack']})", facts | {"changed": False})
    return 0


def rollback(prefix: Prefix, talk: Talk, *, dry_run: bool = False) -> int:
    """Make the environment before the one in use the one in use; `dry_run` says so and writes nothing.

    Raises:
        NoPreviousError: There is none.
        BadReceiptError: That of the one before is damaged as well.
        BrokenPreviousError: Files of the one before were changed.
        OwnPythonError: Its Python is gone, or another one now.
    """
    prefix.previous()
    with contextlib.nullcontext() if dry_run else prefix.locked(standing=True):
        env = prefix.previous()
        stack = receipt.read(env)["stack"]
        _require_whole(env)
        if not dry_run:
            prefix.switch(env)
    facts = {"environment": str(env), "stack": stack}
    if dry_run:
        talk.answer(f"Would do:\n- go back to {env} ({stack})", facts | DRY)
    else:
        forward = "To go forward again, install the newer wheelhouse again, with its own install.py."
        talk.answer(f"went back to {env} ({stack})\n{forward}", facts | {"changed": True})
    return 0


def _require_whole(env: Path) -> None:
    """Hold an environment to its receipt before it comes into use."""
    try:
        receipt.compare(env).require_none(env)
    except receipt.EnvironmentChangedError as error:
        raise BrokenPreviousError(
            f"{error.what} It was not made the one in use.",
            why=error.why,
            next_step=f"install its wheelhouse again: {receipt.again(env, '--allow-rollback')}",
        ) from error
    own_python.require(env, "--allow-rollback")


def uninstall(prefix: Prefix, talk: Talk, *, dry_run: bool = False) -> int:
    """Remove every environment and the prefix, or say so; payloads belong to the node and stay.

    Raises:
        PrefixNotOursError: The prefix is a folder of something else.
    """
    there = prefix.root.is_dir() and any(prefix.root.iterdir())
    if dry_run:
        prefix.require_ours()
        steps = [f"remove {path}" for path in prefix.installed()] or ["nothing: there is nothing to remove"]
        talk.answer("\n".join(["Would do:", *(f"- {step}" for step in steps)]), DRY)
        return 0
    if there:
        with prefix.locked(standing=True):
            prefix.uninstall()
    text = f"removed {prefix.root}; payloads such as CANN stay" if there else "nothing to remove"
    if others := sorted(path.name for path in prefix.root.iterdir()) if prefix.root.is_dir() else []:
        text = f"removed what was installed in {prefix.root}; what is not of this tool stays: {', '.join(others)}"
    talk.answer(text, {"changed": there, "left": others})
    return 0


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What was in use before a rollback or an uninstall, for the words of one that was cut short."""

    prefix: Prefix
    before: Path | None

    @classmethod
    def at(cls, prefix: Prefix) -> Begun:
        """Note what is in use now."""
        return cls(prefix=prefix, before=prefix.in_use())

    @property
    def went_back(self) -> bool:
        """Whether another environment is in use now than before."""
        env = self.prefix.in_use()
        return env is not None and env != self.before

    def standing(self) -> str:
        """Say what is in use and what is still there."""
        env = self.prefix.in_use()
        if env is not None:
            return (
                f"The rollback is done: {env} is in use."
                if self.went_back
                else f"{env} is in use, as before."
            )
        left = ", ".join(path.name for path in self.prefix.installed())
        still = f"still there: {left}" if left else "only marks of this tool are left"
        return f"Nothing is in use; {still}."
