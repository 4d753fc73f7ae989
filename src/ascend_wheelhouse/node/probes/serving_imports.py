"""The modules that serving starts from import: the application's package alone would hide undeclared needs."""

from __future__ import annotations

import importlib
import importlib.util

from .api import Context, Outcome, ProbeSkippedError


def run(context: Context) -> Outcome:
    """Import what the stack's serving file names, one by one."""
    names = context.manifest.get("serving", {}).get("imports", [])
    if not names:
        raise ProbeSkippedError("the stack's serving file names no modules")
    package = str(names[0]).partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise ProbeSkippedError(f"the wheelhouse holds no {package}")
    for name in names:
        context.doing(f"import {name}")
        importlib.import_module(name)
    note = " (with stand-in modules for the CPU path)" if context.option("standins") else ""
    return Outcome(evidence=f"{len(names)} serving modules import{note}")
