"""Where modules that probes import are compiled to: each of them once in a run, and nothing beside the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .settings import Setting

_VARIABLE = "PYTHONPYCACHEPREFIX"


def once(environment: dict[str, str], setting: Setting) -> dict[str, str]:
    """Return the environment that lets the probes of one run compile each module once.

    uv compiles nothing when it installs, and torch with SGLang takes longer to compile than to import. What the
    environment holds is compiled into it where it can be written; what else is imported (CANN's modules), and an
    environment of another user, go to a folder of this run. Nothing is written where torch is compiled already.
    """
    alone = not environment.get("PYTHONPATH")
    compiled = (setting.site_packages / "torch/__pycache__").is_dir()
    if compiled and not alone:
        return environment
    made = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if alone and os.access(setting.site_packages, os.W_OK):
        return made
    return (
        environment
        if compiled
        else {**made, _VARIABLE: setting.launcher.inside(setting.scratch / "compiled")}
    )


def flags(environment: Mapping[str, str]) -> list[str]:
    """Return what says the same to a Python that passes variables over (`-I`)."""
    folder = environment.get(_VARIABLE)
    return ["-X", f"pycache_prefix={folder}"] if folder else []
