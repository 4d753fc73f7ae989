"""The receipt of an environment as a file: where it is, and what it must hold to be one."""

from __future__ import annotations

from pathlib import Path
from types import NoneType
from typing import Any

from .. import documents
from ..errors import IntegrityError

RECEIPT = "receipt.json"
SHAPE = {
    "schema?": int,
    "stack?": str,
    "serial?": (documents.size, NoneType),
    "previous?": (documents.file_name, NoneType),
    "manifest?": str,
    "ascend?": (str, NoneType),
    "files?": {...: str},
}


class BadReceiptError(IntegrityError):
    """An environment's receipt is missing, or not one."""


def read(env: Path) -> dict[str, Any]:
    """Read an environment's receipt.

    Raises:
        BadReceiptError: It is missing, or not as the installer wrote it.
    """
    try:
        facts = documents.read((env / RECEIPT).read_bytes(), SHAPE)
    except (OSError, documents.UnsoundError) as error:
        raise BadReceiptError(
            f"{env / RECEIPT} is not a receipt: {error}.",
            why="The file was changed or damaged, so that nothing can be said of this environment.",
            next_step="install.py --uninstall, then install again; or --rollback to the environment before",
        ) from error
    return {"files": {}, "stack": "an unnamed stack", **facts}
