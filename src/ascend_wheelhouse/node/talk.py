"""How the tools on a node speak: lines for a person on standard error, one answer on standard output.

With `--json` the answer is one object, so that a cluster tool can read it; the lines stay where they are.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from .errors import HostUnfitError, WheelhouseError
from .plain import plain


class AnswerLostError(HostUnfitError):
    """The answer of a run cannot be written."""


@dataclass(frozen=True, kw_only=True)
class Talk:
    """Speaks for one run.

    Args:
        as_json: Answer with one JSON object.
        started: The clock's reading at the start, for the seconds before each line.
    """

    as_json: bool = False
    started: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Say what is being done now."""
        self.note(f"[{time.monotonic() - self.started:6.1f}s] {plain(text)}")

    def note(self, text: str) -> None:
        """Print a line beside the answer; where nobody can take it, the work goes on without it."""
        with contextlib.suppress(OSError):
            _print(text, sys.stderr)

    def answer(self, text: str, facts: Mapping[str, Any]) -> None:
        """Give the answer of the run, in words or as an object; a reader that has gone is left alone.

        Raises:
            AnswerLostError: It cannot be written, such as to a full disk.
        """
        try:
            _print(json.dumps(facts, indent=1, sort_keys=True) if self.as_json else plain(text), sys.stdout)
        except BrokenPipeError:
            return
        except OSError as error:
            done = (
                "What was asked for is done all the same." if facts.get("changed") else "Nothing was changed."
            )
            raise AnswerLostError(
                f"The answer cannot be written to standard output: {error.strerror}.",
                why=f"It goes to a full disk, or to a file that takes no more. {done}",
                next_step="df -h",
            ) from error

    def fail(self, error: WheelhouseError) -> int:
        """Tell an error and return the exit code that belongs to it."""
        self._object(error.as_dict())
        self.note(f"error: {plain(str(error))}")
        return error.exit_code

    def stopped(
        self, stop: KeyboardInterrupt, standing: str, following: str = "the same command again"
    ) -> int:
        """Tell that a signal ended the run and return the exit code that belongs to it.

        Args:
            stop: What came; its argument is the number of the signal, SIGINT where it has none.
            standing: What the run has touched.
            following: What to do next.
        """
        number = int((*stop.args, signal.SIGINT)[0])
        what = f"{'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'} stopped the run."
        code = 128 + number
        facts = {"error": "Stopped", "exit_code": code, "what": what, "why": standing}
        self._object(facts | {"next": following})
        self.say(f"stopped. {standing}")
        return code

    def _object(self, facts: Mapping[str, Any]) -> None:
        """Print what is no answer as an object where objects are asked for; where nobody can take it, go on."""
        if self.as_json:
            with contextlib.suppress(OSError):
                _print(json.dumps(facts, indent=1, sort_keys=True), sys.stdout)


def _print(text: str, stream: TextIO) -> None:
    """Print a text at once; where that fails, what is left of it is dropped, for Python would try again at its end."""
    try:
        print(text, file=stream, flush=True)
    except OSError:
        with contextlib.suppress(OSError), Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), stream.fileno())
        raise
