"""What `nox -s verify` starts: a process that holds the verification and whose end, by `kill -9` too, is the end of it.

Next to nothing of this package is imported here, since the verification is a process of its own.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from ascend_wheelhouse.base import streams
from ascend_wheelhouse.node.guarded import Guarded

PROGRAM = "ascend_wheelhouse.verify.program"


def main() -> int:
    """Run the verification and return its exit code; a request to end is handed on, a second one ends all at once."""
    streams.stand_in()
    safe = ["-P"] if sys.flags.safe_path else []
    words = [sys.executable, *safe, "-m", PROGRAM, *sys.argv[1:]]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Guarded(words, environment=os.environ, folder=Path.cwd(), output=None) as run:
        try:
            status = run.wait()
        except KeyboardInterrupt:
            run.ask_to_end()
            status = run.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    raise SystemExit(main())
