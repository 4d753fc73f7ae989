"""The process that holds one probe: `python -I child.py REQUEST RESULT`.

It registers this folder as the package `ascend_node` and puts nothing else on the path: the environment
under test must not see our modules, nor we hide one of its. Progress and the result go to a file, line by
line, because the libraries that are probed print what they like.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGE = "ascend_node"

_OF_CANN = re.compile(r"E[A-Z]?\w\d{3,4}: ")
"""How CANN's messages begin in torch_npu's errors: E19999, EZ9999, EE1001 and their like."""


def register(folder: Path) -> None:
    """Make `folder` importable as the package `ascend_node`."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} holds no package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


def main(arguments: list[str]) -> int:
    """Run the probe that REQUEST names and write what came of it to RESULT."""
    if arguments[0] == "--rank":
        return _rank(arguments[1], int(arguments[2]), int(arguments[3]))
    request = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    register(Path(__file__).resolve().parent)
    with Path(arguments[1]).open("a", encoding="utf-8", errors="replace", buffering=1) as stream:

        def say(line: dict[str, Any]) -> None:
            stream.write(_sound(line) + "\n")
            stream.flush()

        verdict = _judge(request, say)
        software = importlib.import_module(f"{PACKAGE}.host.software").loaded()
        say({**verdict, "software": software})
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _sound(line: dict[str, Any]) -> str:
    """Return a line as JSON proper: a measured value that is no number (NaN, Infinity) stands there as a text."""
    return json.dumps(json.loads(json.dumps(line, default=str), parse_constant=str), ensure_ascii=False)


def _rank(module: str, number: int, count: int) -> int:
    """Be one rank of a probe that takes several devices; what goes wrong is printed as its answer."""
    register(Path(__file__).resolve().parent)
    try:
        importlib.import_module(f"{PACKAGE}.probes.{module}").rank(number, count)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises is the rank's answer
        print("\n" + json.dumps({"failed": _one_line(error)}), flush=True)
        os._exit(1)
    os._exit(0)


def _judge(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    api = importlib.import_module(f"{PACKAGE}.probes.api")
    module = importlib.import_module(f"{PACKAGE}.probes.{request['module']}")
    with tempfile.TemporaryDirectory(prefix="probe-") as scratch:
        context = api.Context(
            manifest=request["manifest"],
            options=request["options"],
            scratch=Path(scratch),
            doing=lambda text: say({"doing": text}),
        )
        try:
            outcome = module.run(context)
        except api.ProbeSkippedError as error:
            return {"verdict": "skipped", "evidence": str(error)}
        except api.ProbeFailedError as error:
            return {"verdict": "failed", "evidence": str(error), "figures": error.figures}
        except BaseException as error:  # noqa: BLE001 - whatever a driver raises is a verdict
            detail = traceback.format_exc(limit=-8)
            return {"verdict": "failed", "evidence": _one_line(error), "detail": detail}
    return {"verdict": "passed", "evidence": outcome.evidence, "figures": dict(outcome.figures)}


def _one_line(error: BaseException) -> str:
    """Return an error's first line, with CANN's own words and the first cause where there are some."""
    lines = str(error).strip().splitlines()
    told = [f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__]
    told += [line for line in lines[1:] if _OF_CANN.match(line)][:1]
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if cause is not error:
        told.append(f"because of {_one_line(cause)}")
    return "; ".join(told)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
