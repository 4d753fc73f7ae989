"""What is done with an environment that stands: check it, go back to the one before, remove all."""

from __future__ import annotations

from ..talk import Talk
from . import receipt
from .environment import Prefix


def check(prefix: Prefix, talk: Talk) -> int:
    """Compare the environment in use with its receipt.

    Raises:
        EnvironmentChangedError: They differ.
    """
    env = prefix.required()
    receipt.compare(env).require_none(env)
    facts = receipt.read(env)
    count = len(facts.pop("files"))
    talk.answer(f"{env}: {count} files as its receipt says ({facts['stack']})", facts | {"changed": False})
    return 0


def rollback(prefix: Prefix, talk: Talk) -> int:
    """Make the environment before the one in use the one in use.

    Raises:
        NoPreviousError: There is none.
        BadReceiptError: That of the one before is damaged as well.
    """
    prefix.previous()
    with prefix.locked():
        env = prefix.previous()
        stack = receipt.read(env)["stack"]
        prefix.switch(env)
    talk.answer(f"went back to {env} ({stack})", {"changed": True, "environment": str(env), "stack": stack})
    return 0


def uninstall(prefix: Prefix, talk: Talk) -> int:
    """Remove every environment and the prefix; payloads belong to the node and stay."""
    there = prefix.root.is_dir() and any(prefix.root.iterdir())
    if there:
        with prefix.locked():
            prefix.uninstall()
    text = f"removed {prefix.root}; payloads such as CANN stay" if there else "nothing to remove"
    talk.answer(text, {"changed": there})
    return 0
