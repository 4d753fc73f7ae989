"""What comes before any command runs: signals that end the program with a text and a code, and streams that are closed.

What starts the program takes this up before all else, since to import the rest takes longer than a person needs to
press Ctrl-C. So next to nothing is imported here but small parts of the standard library.
"""

from __future__ import annotations

import json as json_module
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from ascend_wheelhouse.base import streams

CODES: Mapping[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
"""The signals that stop a run, each with its exit code, which is the one that a shell gives: 128 and its number."""
PLAIN: Mapping[int, Callable[[int, FrameType | None], object] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
"""What Python does at each of them where nobody says more."""
TOLD = "\nStopped. What was fetched is kept; the next run goes on from there.\n"
_BY = {130: "Ctrl-C", 143: "SIGTERM", 129: "SIGHUP, as a terminal that is closed sends it,"}
_JSON = {"-j", "--json"}


def wants_json(argv: Sequence[str]) -> bool:
    """Tell whether a command line asks for JSON, whatever else of it can be read."""
    return not _JSON.isdisjoint(argv[: argv.index("--")] if "--" in argv else argv)


def answer(code: int) -> dict[str, object]:
    """Return what a stopped run prints under `--json`.

    Args:
        code: Its exit code.
    """
    following = "the same command again: it goes on from what was fetched"
    what = f"{_BY[code]} stopped the run."
    return {"error": "Stopped", "exit_code": code, "what": what, "why": "", "next": following}


class EarlyStop:
    """Ends the process at once: nothing of it runs yet that would have to be cleared away.

    It raises nothing, since Python imports in places that let no exception out.
    """

    def __init__(self, *, json: bool) -> None:
        self._json = json

    def __call__(self, number: int, _frame: FrameType | None) -> NoReturn:
        """Say that the run was stopped, and end."""
        code = CODES[number]
        texts = {2: TOLD, 1: f"{json_module.dumps(answer(code), sort_keys=True)}\n" if self._json else ""}
        for stream, text in texts.items():
            with suppress(OSError):  # its reader left, or it is closed
                os.write(stream, text.encode())
        os._exit(code)


def begin(argv: Sequence[str]) -> None:
    """Have Ctrl-C, SIGTERM and SIGHUP end this program as `console.main_guard` does, until that is entered.

    A signal that is ignored, as SIGHUP below `nohup`, stays so. A standard stream that is closed is stood in for.

    Args:
        argv: The command line, which may ask for JSON.
    """
    streams.stand_in()
    for number, plain in PLAIN.items():
        if signal.getsignal(number) == plain:
            signal.signal(number, EarlyStop(json=wants_json(argv)))
