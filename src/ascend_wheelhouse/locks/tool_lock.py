"""The lock of this program itself: `lockfiles/tool.txt`, hashed requirements for every host that it runs on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.target import Target

NAME = "tool.txt"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class BadToolLockError(UsageError):
    """`tool.txt` cannot be read, or pins something without a digest."""


@dataclass(frozen=True, kw_only=True)
class ToolPin:
    """A distribution that the program needs.

    Args:
        name: Its normalised name.
        version: Its one version.
        digests: The files that it may be, for whatever host.
    """

    name: str
    version: str
    digests: frozenset[str]


def read_tool_lock(path: Path, target: Target) -> list[ToolPin]:
    """Return what the program needs on a host.

    Raises:
        BadToolLockError: A line is no hashed pin, or the file cannot be read.
    """
    try:
        text = path.read_text("utf-8")
        entries = re.split(r"\n(?=\S)", text.strip())
        pins = [(Requirement(entry.partition("\\")[0].strip()), _HASH.findall(entry)) for entry in entries]
    except (OSError, UnicodeDecodeError, InvalidRequirement) as error:
        raise _bad(path, str(error)) from error
    found = []
    for requirement, digests in pins:
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        if not digests or len(exact) != 1:
            raise _bad(path, f"{requirement} is no pin with a digest")
        if requirement.marker is None or requirement.marker.evaluate(target.markers):
            name = canonicalize_name(requirement.name)
            found.append(ToolPin(name=name, version=exact[0], digests=frozenset(digests)))
    return found


def _bad(path: Path, why: str) -> BadToolLockError:
    return BadToolLockError(
        f"lockfiles/{path.name} cannot be read as hashed pins.",
        why=why,
        next_step="restore it from git or from the package, or make it anew: nox -s tool_lock",
    )
