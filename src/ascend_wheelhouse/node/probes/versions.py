"""What is installed is what is locked: every distribution, at its version, and nothing else."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError, distributions

_OURS = frozenset({"pip", "setuptools", "wheel"})
"""May be there without being locked: `venv` puts them in."""


def run(context: Context) -> Outcome:
    """Compare the folder's metadata with the manifest."""
    locked = context.wheels()
    installed = {
        name: str(found.version) for name, found in distributions(context.option("site_packages")).items()
    }
    problems = [
        f"{name} {version} is locked but not installed"
        for name, version in locked.items()
        if name not in installed
    ]
    problems += [
        f"{name} {installed[name]} is installed, {version} is locked"
        for name, version in locked.items()
        if name in installed and not _same(installed[name], version)
    ]
    problems += [
        f"{name} {version} is installed but not locked"
        for name, version in installed.items()
        if name not in locked and name not in _OURS
    ]
    if problems:
        raise ProbeFailedError("; ".join(sorted(problems)), figures={"problems": sorted(problems)})
    return Outcome(
        evidence=f"{len(locked)} distributions, all at their locked versions", figures={"count": len(locked)}
    )


def _same(installed: str, locked: str) -> bool:
    """Compare as the file names write versions: `_` for `-`, and case aside."""
    return installed.lower().replace("-", "_") == locked.lower().replace("-", "_")
