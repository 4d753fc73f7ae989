"""The serial of a bundle: a number that never goes back, so that a node can refuse a replay of an older one.

`--serial` says it; otherwise it is `SOURCE_DATE_EPOCH`, or the commit time of the repository that the
wheelhouse lies in. Both need no ledger, agree between machines, and are equal for the same commit, so equal
wheelhouses of one commit still give equal bundles.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.errors import UsageError

_LARGEST = 2**53
_NUMBER = re.compile(r"[0-9]{1,18}")


class SerialError(UsageError):
    """No serial was given, and none can be derived."""


def decide(given: int | None, folder: Path, environment: Mapping[str, str] = os.environ) -> int:
    """Return the serial for a bundle of the wheelhouse in `folder`.

    Raises:
        SerialError: Nothing says one, or it is not a positive whole number below 2^53.
    """
    text = str(given) if given is not None else environment.get("SOURCE_DATE_EPOCH") or _commit_time(folder)
    return parse(text)


def parse(text: str) -> int:
    """Return what a serial's text says.

    Raises:
        SerialError: It is no positive whole number below 2^53.
    """
    if _NUMBER.fullmatch(text) and 0 < int(text) < _LARGEST:
        return int(text)
    raise SerialError(
        f"{text!r} cannot be the serial of a bundle." if text else "The bundle has no serial.",
        why="It must be a whole number that grows from bundle to bundle: nodes refuse an older one.",
        next_step="--serial N, or set SOURCE_DATE_EPOCH, or bundle a wheelhouse inside the git repository",
    )


def _commit_time(folder: Path) -> str:
    done = process.run(["git", "-C", folder, "log", "-1", "--format=%ct"], check=False)
    return done.stdout.strip() if done.status == 0 else ""
