"""How a program of a topology is started: the stack's words with what only this run knows put in.

Topologies stand in the manifest, as `recipes/serving/` has them. Words of theirs in braces are left to whoever starts
the program; one that is given no value is an error that names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SERVER, ROUTER = "sglang.launch_server", "sglang_router.launch_router"
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class TopologyError(Exception):
    """The stack has no such topology, or a word of it is left open."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program of a topology with nothing left open.

    Args:
        module: What `python -m` runs.
        arguments: Its words.
        environment: Its variables.
        unset: Variables that it must not have.
    """

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    unset: Sequence[str] = ()

    def variables(self, around: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of the program: what is around it, less and more what the topology says."""
        return {name: value for name, value in around.items() if name not in self.unset} | dict(
            self.environment
        )


def program_of(serving: Mapping[str, Any], name: str, values: Mapping[str, str]) -> Program:
    """Return the program of a topology.

    Args:
        serving: The manifest's `serving`.
        name: The topology's name.
        values: What its placeholders stand for.

    Raises:
        TopologyError: There is none of that name, or a placeholder has no value.
    """
    known = serving.get("topologies", {})
    if name not in known:
        raise TopologyError(
            f"the stack has no serving topology {name!r}: it has {', '.join(sorted(known)) or 'none'}"
        )
    chosen = known[name]
    unset = tuple(chosen.get("unset", ()))
    shared = {key: value for key, value in serving.get("environment", {}).items() if key not in unset}
    return Program(
        module=str(chosen.get("program", SERVER)),
        arguments=[_filled(str(word), name, values) for word in chosen.get("arguments", ())],
        environment={
            key: _filled(str(value), name, values)
            for key, value in {**shared, **chosen.get("environment", {})}.items()
        },
        unset=unset,
    )


def _filled(text: str, topology: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise TopologyError(
                f"the serving topology {topology!r} leaves {match[0]} open, which has no value here"
            )
        return values[match[1]]

    return _PLACEHOLDER.sub(value, text)


def devices_of(serving: Mapping[str, Any], name: str) -> int:
    """Return how many devices of a node a topology takes."""
    return int(serving.get("topologies", {}).get(name, {}).get("devices", 1))
