"""`pip check`: every declared requirement is met."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .api import Context, Outcome, ProbeFailedError, ProbeSkippedError


def run(context: Context) -> Outcome:
    """Run pip's own check with the environment's interpreter."""
    done = subprocess.run([*_pip(context), "check"], capture_output=True, text=True, check=False)
    said = done.stdout.strip().splitlines()
    if "No module named pip" in done.stderr:
        raise ProbeSkippedError(
            "the environment holds no pip: install pip into it, or verify with `nox -s verify`"
        )
    unexpected = [
        line for line in said if "has requirement" in line or "requires" in line or "not supported" in line
    ]
    if done.returncode or unexpected:
        lines = said or done.stderr.strip().splitlines()[-3:]
        raise ProbeFailedError("; ".join(lines) or f"pip check ended with status {done.returncode}")
    return Outcome(evidence=said[-1] if said else "no broken requirements")


def _pip(context: Context) -> list[str]:
    folder = context.option("pip")
    if folder:
        return [sys.executable, "-I", str(Path(folder) / "pip" / "__pip-runner__.py")]
    return [sys.executable, "-I", "-m", "pip"]
