"""What `nox -s verify` starts: a process that holds the verification and whose end, by `kill -9` too, is the end of it.

Next to nothing of this package is imported here, since the verification is a process of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ascend_wheelhouse.base import interrupts
from ascend_wheelhouse.node.guarded import Guarded

PROGRAM = "ascend_wheelhouse.verify.program"
_LOOK_SECONDS = 1.0
"""How long a signal may lie unheard that came just before a wait."""
_ENDED = (-signal.SIGTERM, 128 + signal.SIGTERM)


def main() -> int:
    """Run the verification and return its exit code; a request to end is handed on, a second one ends all at once."""
    interrupts.begin([])
    safe = ["-P"] if sys.flags.safe_path else []
    words = [sys.executable, *safe, "-m", PROGRAM, *sys.argv[1:]]
    with Guarded(words, environment=os.environ, folder=Path.cwd(), output=None) as run:
        asked = _Asked(run)
        for number in interrupts.CODES:
            if isinstance(signal.getsignal(number), interrupts.EarlyStop):
                signal.signal(number, asked)
        try:
            status = _status(run)
        except KeyboardInterrupt:
            status = _ENDED[0]
    if asked.number and status in _ENDED:
        with suppress(OSError):  # its reader left
            sys.stderr.write("\nStopped. What was made for the verification is removed.\n")
        return interrupts.CODES[asked.number]
    return status if status >= 0 else 128 - status


def _status(run: Guarded) -> int:
    while True:
        with suppress(subprocess.TimeoutExpired):
            return run.wait(_LOOK_SECONDS)


class _Asked:
    """Hands the first request to end on to the verification.

    Args:
        run: The verification.
    """

    def __init__(self, run: Guarded) -> None:
        self._run = run
        self.number = 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal.

        Raises:
            KeyboardInterrupt: It is not the first.
        """
        if self.number:
            raise KeyboardInterrupt
        self.number = number
        self._run.ask_to_end()


if __name__ == "__main__":
    raise SystemExit(main())
