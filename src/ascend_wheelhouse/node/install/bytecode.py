"""Compiles what an environment holds, which neither uv nor pip is asked to: a larger install, for later starts.

A process compiles what it imports and keeps that beside the source, where it may write there. Another user than the one
who installed may not, and a container forgets it: torch and SGLang are compiled then by every process of every start.
"""

from __future__ import annotations

from pathlib import Path

from .command import InstallCommandFailedError, clean_environment, run_guarded
from .receipt import site_packages

FACT = "compiled"
"""The name in a receipt of whether it was done."""
_SOME_PASSED_OVER = "ended with status 1."


def compile_all(env: Path, log: Path) -> str:
    """Compile an environment's modules on all processors, and return one line that tells how many there are.

    They are checked against the digest of their source, which a copy into an image leaves alone, and not against its
    time (PEP 552). A file that is no Python of this release is passed over, as pip does: templates are among them.

    Raises:
        DiskFilledError: The disk became full.
    """
    site = site_packages(env)
    words: list[str | Path] = [env / "bin/python", "-I", "-m", "compileall", "-q", "-j", "0"]
    try:
        run_guarded([*words, "--invalidation-mode", "checked-hash", site], log=log, env=clean_environment())
    except InstallCommandFailedError as error:
        if not error.what.endswith(_SOME_PASSED_OVER):
            raise
    count = sum(1 for _ in site.rglob("__pycache__/*.pyc"))
    return f"compiled {count} modules"
