"""What a probe is given and what it hands back."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class ProbeFailedError(Exception):
    """The probe found a fault; the text is the evidence, one line first."""

    def __init__(self, evidence: str, *, figures: Mapping[str, Any] | None = None) -> None:
        super().__init__(evidence)
        self.figures = dict(figures or {})


class ProbeSkippedError(Exception):
    """The probe cannot say anything here; the text tells a person what would let it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A probe that passed: one line of evidence, and its figures."""

    evidence: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a probe may use.

    Args:
        manifest: The wheelhouse's manifest.
        options: What the person asked for, as `settings.VerifyOptions.for_probes` gives it.
        scratch: An empty folder of its own.
        doing: Says what is tried next, so that a crash is put to it.
    """

    manifest: Mapping[str, Any]
    options: Mapping[str, Any]
    scratch: Path
    doing: Callable[[str], None]

    @property
    def cell(self) -> Mapping[str, Any]:
        """The compatibility cell of the wheelhouse."""
        found = self.manifest.get("cell", {})
        return found if isinstance(found, dict) else {}

    def wheels(self) -> dict[str, str]:
        """The locked version of each distribution, by its normalised name."""
        return {
            normalised(entry["name"]): entry["version"]
            for entry in self.manifest.get("files", [])
            if entry.get("kind") == "wheel"
        }

    def known(self) -> dict[str, str]:
        """The items of this probe that are announced to fail, and why."""
        announced = self.options.get("known", {})
        return {str(name).partition("/")[2]: str(why) for name, why in announced.items()}

    def option(self, name: str) -> str:
        """A text option, empty when it was not given."""
        return str(self.options.get(name) or "")


def normalised(name: str) -> str:
    """Return a distribution's name as PEP 503 writes it."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


def distributions(site_packages: str) -> dict[str, importlib.metadata.Distribution]:
    """Return what is installed in a folder, by normalised name; damaged entries are left out."""
    found = importlib.metadata.distributions(path=[site_packages])
    return {normalised(one.metadata["Name"]): one for one in found if one.metadata["Name"]}


def last_json_line(text: str) -> Mapping[str, Any]:
    """Return the last line of a worker's output that is a JSON object, or an empty mapping."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return {}
