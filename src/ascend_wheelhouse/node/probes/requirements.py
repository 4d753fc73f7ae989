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
    if done.returncode and not said:
        raise ProbeFailedError(f"pip check ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
    broken = said if done.returncode else []
    known = context.known()
    figures = {"known": [line for line in broken if line.partition(" ")[0] in known]}
    unknown = [line for line in broken if line.partition(" ")[0] not in known]
    if unknown:
        raise ProbeFailedError("; ".join(unknown), figures=figures)
    announced = f", {len(broken)} announced exceptions" if broken else ""
    return Outcome(evidence=f"every declared requirement is met{announced}", figures=figures)


def _pip(context: Context) -> list[str]:
    folder = context.option("pip")
    if folder:
        return [sys.executable, "-I", str(Path(folder) / "pip" / "__pip-runner__.py")]
    return [sys.executable, "-I", "-m", "pip"]
