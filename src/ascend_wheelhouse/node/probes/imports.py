"""Every top-level package of every wheel imports.

One worker imports them one after the other and says each name before it tries; when a name kills the
worker, a new one goes on behind it. A name that fails is tried again alone, so that company is never
mistaken for a fault.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..host.node_environment import modules_flags
from .api import Context, Outcome, ProbeFailedError, distributions

_WORKER = Path(__file__).with_name("import_worker.py")
_NOT_FOR_IMPORT = frozenset(
    {"bin", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "test", "tests"}
)
_ALONE_SECONDS = 60


def run(context: Context) -> Outcome:
    """Import them all."""
    names = sorted(set(modules(context.option("site_packages"))))
    faults = {name: why for name, why in _all(names, context) if why}
    still = {name: again for name in faults if (again := _alone(name, context))}
    known = context.known()
    unknown = {name: why for name, why in still.items() if name not in known}
    figures: dict[str, Any] = {
        "imported": len(names) - len(still),
        "known": {name: known[name] for name in still if name in known},
        "only_in_company": sorted(set(faults) - set(still)),
        "failed": unknown,
    }
    if unknown:
        text = "; ".join(f"{name}: {why}" for name, why in sorted(unknown.items()))
        raise ProbeFailedError(text, figures=figures)
    announced = f", {len(still)} announced failures" if still else ""
    return Outcome(
        evidence=f"{len(names) - len(still)} top-level packages import{announced}", figures=figures
    )


def modules(site_packages: str) -> Iterator[str]:
    """Return the top-level importable names of every distribution, read from its RECORD."""
    for found in distributions(site_packages).values():
        yield from importable(str(path) for path in found.files or ())


def importable(files: Iterable[str]) -> Iterator[str]:
    """Return what a wheel with these files makes importable: packages, modules, parts of namespaces."""
    paths = [PurePosixPath(name) for name in files]
    packages = {path.parent for path in paths if path.name == "__init__.py" and ".." not in path.parts}
    for path in paths:
        top = path.parts[0]
        if (
            len(path.parts) == 1
            and (path.suffix == ".py" or ".so" in path.suffixes)
            and "abi3" not in path.stem[:4]
        ):
            name = path.name.partition(".")[0]
        elif PurePosixPath(top) in packages:
            name = top
        elif path.parent in packages and len(path.parts) == 3 and path.name == "__init__.py":
            name = ".".join(path.parts[:2])
        else:
            continue
        if (
            name.replace(".", "").isidentifier()
            and top.lower() not in _NOT_FOR_IMPORT
            and not path.is_absolute()
        ):
            yield name


def _all(names: Sequence[str], context: Context) -> Iterator[tuple[str, str]]:
    rest = list(names)
    while rest:
        at = ""
        for line in _lines(rest, None):
            if "at" in line:
                at = line["at"]
                context.doing(f"import {at}")
                rest.remove(at)
            elif "failed" in line:
                yield line["failed"], line["why"]
            elif "ok" in line:
                at = ""
        if at:
            yield at, "the process died"
        elif rest:
            yield rest.pop(0), "the worker ended before it"


def _alone(name: str, context: Context) -> str:
    """Try one name in a fresh process and return why it fails, or an empty text."""
    context.doing(f"import {name} alone")
    try:
        lines = list(_lines([name], _ALONE_SECONDS * float(context.options.get("patience", 1))))
    except subprocess.TimeoutExpired:
        return "no answer"
    for line in lines:
        if line.get("status"):
            return f"the process died with status {line['status']}"
        if "failed" in line:
            cause = f" ({line['cause'].splitlines()[-1]})" if line["cause"] else ""
            return f"{line['why']}{cause}"
    return "" if any("ok" in line for line in lines) else "no answer"


def _lines(names: Sequence[str], seconds: float | None) -> Iterator[dict[str, Any]]:
    words = [sys.executable, *modules_flags(os.environ), str(_WORKER), json.dumps(list(names))]
    worker = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        if seconds is None:
            output: Iterable[str] = worker.stdout or ()
        else:
            output = worker.communicate(timeout=seconds)[0].splitlines()
        for text in output:
            if text.startswith('{"'):
                try:
                    yield json.loads(text)
                except ValueError:
                    continue
        yield {"status": worker.wait()}
    finally:
        worker.kill()
        worker.wait()
