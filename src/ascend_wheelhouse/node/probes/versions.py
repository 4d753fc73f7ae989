"""What is installed is what is locked: every distribution, at its version, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from importlib import metadata

from .api import Context, Outcome, ProbeFailedError, normalised

_OURS = frozenset({"pip", "setuptools", "wheel"})
"""May be there without being locked: `venv` puts them in."""


def run(context: Context) -> Outcome:
    """Compare the folder's metadata with the manifest."""
    locked = context.wheels()
    found: dict[str, list[str]] = defaultdict(list)
    for one in metadata.distributions(path=[context.option("site_packages")]):
        if one.metadata["Name"]:
            found[normalised(one.metadata["Name"])].append(str(one.version))
    installed = {name: versions[0] for name, versions in found.items()}
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
    problems += [
        f"{name} is installed {len(versions)} times, as {' and '.join(sorted(versions))}"
        for name, versions in found.items()
        if len(versions) > 1
    ]
    if problems:
        raise ProbeFailedError("; ".join(sorted(problems)), figures={"problems": sorted(problems)})
    return Outcome(
        evidence=f"{len(locked)} distributions, all at their locked versions", figures={"count": len(locked)}
    )


def _same(installed: str, locked: str) -> bool:
    """Compare as the file names write versions: `_` for `-`, and case aside."""
    return installed.lower().replace("-", "_") == locked.lower().replace("-", "_")
