"""What CANN wrote into its own log while a probe ran: the probe's home is private, and gone with the run.

CANN writes below `~/ascend/log`, each line led by its level in brackets; ASCEND_PROCESS_LOG_PATH names another folder,
which is left to whoever named it. Source: hiascend.com, CANN commercial 9.0.0, maintenref/envvar/envref_07_0120.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_FOLDER, _ERROR = "ascend/log", "[ERROR]"
_LINES, _BYTES = 20, 1 << 20


def errors(home: Path) -> str:
    """Return the last errors of CANN's log below a home, oldest first, or an empty text."""
    found: list[str] = []
    for path in sorted(
        (path for path in (home / _FOLDER).rglob("*.log") if path.is_file()), key=lambda path: path.name
    ):
        with suppress(OSError):
            text = path.read_bytes()[-_BYTES:].decode("utf-8", "replace")
            found += [line for line in text.splitlines() if line.startswith(_ERROR)]
    return "\n".join(found[-_LINES:])
