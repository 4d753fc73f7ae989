"""A project's build in a process of its own: unpacking and packing are Python, and so are the downloads beside them.

The request goes in on standard input as JSON, the wheel's path or the error comes back on standard output. What is
imported here is little, since it is imported for every build.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.errors import BuildError, WheelhouseError
from ascend_wheelhouse.base.process import CommandFailedError, run
from ascend_wheelhouse.build.project import ProjectRules, ProjectSource, build_project


class WorkerFailedError(BuildError):
    """The process that built a project ended without an answer."""


def build_beside(rules: ProjectRules, source: ProjectSource, *, out: Path, python: Path) -> Path:
    """Do what `build_project` does, in another process, and raise what it raises.

    Raises:
        WorkerFailedError: The process was killed, or met a fault of its own.
        BuildError: As `build_project`.
    """
    request = {"rules": asdict(rules), "source": asdict(source), "out": out, "python": python}
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = run(command, stdin=json.dumps(request, default=str), own_group=True)
    except CommandFailedError as error:
        raise WorkerFailedError(
            f"The process that built {source.name} ended with status {error.finished.status}.",
            why=error.tail(),
            next_step="run the same command again; where it was killed, free memory before",
        ) from error
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise _error(answer["error"])
    return Path(answer["wheel"])


def _error(told: Mapping[str, str]) -> WheelhouseError:
    kind = getattr(importlib.import_module(told["module"]), told["name"])
    error: WheelhouseError = kind(told["what"], why=told["why"], next_step=told["next_step"])
    return error


def _told(error: WheelhouseError) -> dict[str, str]:
    kind = type(error)
    names = {"module": kind.__module__, "name": kind.__qualname__}
    return names | {"what": error.what, "why": error.why, "next_step": error.next_step}


def main(request: Mapping[str, Any]) -> dict[str, Any]:
    """Build what a request asks for and return the answer."""
    source = dict(request["source"])
    source |= {"sdist": Path(source["sdist"]), "requirements": list(map(Path, source["requirements"]))}
    try:
        wheel = build_project(
            ProjectRules(**request["rules"]),
            ProjectSource(**source),
            out=Path(request["out"]),
            python=Path(request["python"]),
        )
    except WheelhouseError as error:
        return {"error": _told(error)}
    return {"wheel": str(wheel)}


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
