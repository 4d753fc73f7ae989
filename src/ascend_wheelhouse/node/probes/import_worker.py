"""Imports the names that it is given, one after the other, and says each before it tries; run as a script."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback


def say(**line: str) -> None:
    """Print one line of JSON, on a line of its own whatever the libraries print."""
    print("\n" + json.dumps(line), flush=True)


def attempt(name: str) -> None:
    """Import one name and say how it went."""
    say(at=name)
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - some libraries leave the interpreter at import
        cause = error.__cause__ or error.__context__
        text = traceback.format_exception_only(error)[-1].strip() or repr(error)
        say(failed=name, why=text[:400], cause=str(cause)[:300] if cause else "")
    else:
        say(ok=name)


if __name__ == "__main__":
    for each in json.loads(sys.argv[1]):
        attempt(each)
    os._exit(0)
