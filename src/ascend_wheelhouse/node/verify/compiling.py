"""Where modules that probes import are compiled to: each of them once in a run, and nothing beside the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .settings import Setting

_VARIABLE = "PYTHONPYCACHEPREFIX"


def once(environment: dict[str, str], setting: Setting) -> dict[str, str]:
    """Return the environment that lets the probes of one run compile each module once.

    uv compiles nothing when it installs, and torch with SGLang takes longer to compile than to import. What the
    environment holds is compiled into it, where nothing else is imported and it can be written. Where CANN's modules
    are imported too, and in an environment of another user, all goes to a folder of this run; but not where torch is
    compiled already.
    """
    made = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if not environment.get("PYTHONPATH") and os.access(setting.site_packages, os.W_OK):
        return made
    if (setting.site_packages / "torch/__pycache__").is_dir():
        return environment
    return {**made, _VARIABLE: setting.launcher.inside(setting.scratch / "compiled")}


def flags(environment: Mapping[str, str]) -> list[str]:
    """Return what says the same to a Python that passes variables over (`-I`)."""
    folder = environment.get(_VARIABLE)
    return ["-X", f"pycache_prefix={folder}"] if folder else []
