"""What a tool on a node says where nothing of it foresaw the fault: a text and an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import shlex
import traceback
from pathlib import Path

from .errors import HostUnfitError, UnexpectedError


def unfit(error: OSError, untouched: str) -> HostUnfitError:
    """Return the error for a file or folder that the system refused; `untouched` says what stands all the same."""
    name = error.filename2 or error.filename
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    place = Path(str(name)).parent if name else Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - named alone
    return HostUnfitError(
        f"{name or 'A file'}: {error.strerror}.",
        why=untouched,
        next_step=f"df -h {shlex.quote(str(place))}" if full else "fix that and run the same command again",
    )


def fault(error: Exception, tool: str, untouched: str) -> UnexpectedError:
    """Return the error for a fault of the tool itself, with the place where it happened."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return UnexpectedError(
        f"The {tool} failed in a way that it should not: {type(error).__name__}: {error} "
        f"(at {Path(frame.filename).name}:{frame.lineno}).",
        why=f"It is a fault of the {tool}, or of a file that it reads back. {untouched}",
        next_step="report this text and the command; `--check` examines the prefix",
    )
