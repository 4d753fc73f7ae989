"""The receipt of an environment as a file: where it is, and what it must hold to be one."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from types import NoneType
from typing import Any

from .. import documents
from ..errors import IntegrityError

RECEIPT = "receipt.json"
SCHEMA = 1
SHAPE = {
    "schema?": int,
    "stack?": str,
    "serial?": (documents.size, NoneType),
    "previous?": (documents.file_name, NoneType),
    "manifest?": str,
    "ascend?": (str, NoneType),
    "files?": {...: str},
    "python_files?": {...: str},
}


class BadReceiptError(IntegrityError):
    """An environment's receipt is missing, or not one."""


class NewerReceiptError(BadReceiptError):
    """An environment was installed by a newer `install.py`, whose receipt this one does not know."""


def read(env: Path) -> dict[str, Any]:
    """Read an environment's receipt.

    Raises:
        BadReceiptError: It is missing, or not as the installer wrote it.
        NewerReceiptError: A newer installer wrote it.
    """
    require(env)
    try:
        facts = documents.read_file(env / RECEIPT, {"schema?": int})
    except (OSError, documents.UnsoundError) as error:
        raise _bad(env, str(error)) from error
    _require_known(facts, env)
    if fault := documents.fault(facts, SHAPE):
        raise _bad(env, fault)
    return {"files": {}, "stack": "an unnamed stack", **facts}


def require(env: Path) -> None:
    """Hold an environment to having a receipt: every one that was finished has it.

    Raises:
        BadReceiptError: It is missing, or no file.
    """
    if not (env / RECEIPT).is_file():
        raise _bad(env, "it is no file" if os.path.lexists(env / RECEIPT) else "it is gone")


def _require_known(facts: dict[str, Any], env: Path) -> None:
    schema = facts.get("schema", SCHEMA)
    if schema > SCHEMA:
        raise NewerReceiptError(
            f"{env / RECEIPT} has schema {schema}; this install.py reads {SCHEMA}.",
            why="A newer install.py installed this environment. What this one does not know would be misread.",
            next_step=f"the same options with {shlex.quote(str(env / 'install.py'))}, or with the newest install.py",
        )


def _bad(env: Path, fault: str) -> BadReceiptError:
    return BadReceiptError(
        f"{env / RECEIPT} is not a receipt: {fault}.",
        why="The file was changed, damaged or removed, so that nothing can be said of this environment.",
        next_step="install.py --rollback, where there is an environment before; else --uninstall, then install again",
    )
