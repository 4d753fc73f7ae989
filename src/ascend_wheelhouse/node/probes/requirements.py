"""Every declared requirement is met: `pip check`, or the same question without pip, which no environment here holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from .api import Context, Outcome, ProbeFailedError, ProbeSkippedError


def run(context: Context) -> Outcome:
    """Ask pip with the environment's interpreter, or `packaging` of the environment where there is no pip."""
    done = subprocess.run([*_pip(context), "check"], capture_output=True, text=True, check=False)
    if "No module named pip" in done.stderr:
        return _outcome(context, list(_unmet(context)), "read from the metadata, without pip")
    said = done.stdout.strip().splitlines()
    if done.returncode and not said:
        raise ProbeFailedError(f"pip check ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
    return _outcome(context, said if done.returncode else [], "")


def _outcome(context: Context, broken: list[str], how: str) -> Outcome:
    known = context.known()
    figures = {"known": [line for line in broken if line.partition(" ")[0] in known]}
    unknown = [line for line in broken if line.partition(" ")[0] not in known]
    if unknown:
        raise ProbeFailedError("; ".join(unknown), figures=figures)
    announced = f", {len(broken)} announced exceptions" if broken else ""
    told = f" ({how})" if how else ""
    return Outcome(evidence=f"every declared requirement is met{announced}{told}", figures=figures)


def _pip(context: Context) -> list[str]:
    folder = context.option("pip")
    if folder:
        return [sys.executable, "-I", str(Path(folder) / "pip" / "__pip-runner__.py")]
    return [sys.executable, "-I", "-m", "pip"]


def _unmet(context: Context) -> Iterator[str]:
    """Yield a line, in pip's words, for each requirement that no installed distribution meets."""
    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name
    except ImportError as error:
        raise ProbeSkippedError(
            "the environment holds neither pip nor packaging: verify the wheelhouse with `nox -s verify`"
        ) from error
    place = context.option("site_packages")
    held = list(metadata.distributions(path=[place] if place else sys.path))
    versions = {canonicalize_name(one.metadata["Name"]): one.version for one in held}
    for one in sorted(held, key=lambda dist: str(dist.metadata["Name"]).lower()):
        owner = f"{canonicalize_name(one.metadata['Name'])} {one.version}"
        for text in one.requires or ():
            wanted = Requirement(text)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
                continue
            version = versions.get(canonicalize_name(wanted.name))
            if version is None:
                yield f"{owner} requires {wanted.name}, which is not installed."
            elif not wanted.specifier.contains(version, prereleases=True):
                yield f"{owner} has requirement {wanted}, but you have {wanted.name} {version}."
