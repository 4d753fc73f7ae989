"""The modules that serving starts from import: `sglang` alone would hide undeclared needs."""

from __future__ import annotations

import importlib

from .api import Context, Outcome

MODULES = (
    "sglang.launch_server",
    "sglang.srt.entrypoints.http_server",
    "sglang.srt.managers.scheduler",
    "sglang.srt.model_executor.model_runner",
    "sglang.srt.models.llama",
)


def run(context: Context) -> Outcome:
    """Import them one by one."""
    for name in MODULES:
        context.doing(f"import {name}")
        importlib.import_module(name)
    note = " (with stand-in modules for the CPU path)" if context.option("standins") else ""
    return Outcome(evidence=f"{len(MODULES)} serving modules import{note}")
