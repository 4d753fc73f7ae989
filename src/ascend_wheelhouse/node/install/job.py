"""What one install would do on this node, and whether the node can take it; nothing is written for that."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..host import fitness, python_release
from ..host.host import Host, read_host
from ..reading.contents import Contents
from ..reading.supply import Supply
from . import payloads, python_archive, receipt
from .environment import Prefix

_SPARE = 1 << 28
_NOT_IN_A_PATH = ':"`$'
_UNPACKED = 5
_COMPILED = 1  # 0.8 of what the wheels take, as seen with torch 2.13.0 for x86_64


class UnusablePrefixError(UsageError):
    """No environment works below a folder of that name."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is known of one install before the environment is built.

    Args:
        host: The node.
        payloads: The packages of CANN that were asked for, those that stand already among them.
        disk: The free space, held against what a new environment takes.
        facts: What goes into the receipt.
    """

    host: Host
    payloads: Sequence[payloads.Payload]
    disk: fitness.HostFinding
    facts: dict[str, Any]

    @property
    def due(self) -> bool:
        """Whether a package has to be installed."""
        return any(not item.standing for item in self.payloads)

    def require_space(self) -> None:
        """Hold the disk to what a new environment takes.

        Raises:
            NodeUnfitError: It is too full.
        """
        fitness.require_fit([self.disk])


def read_job(options: argparse.Namespace, prefix: Prefix, supply: Supply, signer: str | None) -> Job:
    """Compare the node and the payloads with the cell; nothing has been written yet, whatever is refused.

    Raises:
        UnusablePrefixError: No environment works below a folder of that name.
        NodeUnfitError: The node is not what the wheelhouse was made for. Too little space alone is left to
            `Job.require_space`, for what stands already takes none.
    """
    _require_usable(prefix.root)
    contents = supply.contents
    active = prefix.active()
    told = str(receipt.recorded(active).get("ascend", "")) if active else ""
    host = read_host(ascend=options.ascend, wanted=contents.cell.get("cann", ""), recorded=told)
    chosen = payloads.plan(contents, host) if options.payloads else []
    brought = {item.kind.name.replace("toolkit", "cann") for item in chosen}
    if options.payloads and python_archive.find(contents):
        brought.add("python")
    unpacked = sum(file.size for file in supply.packed(["tools", *folders(options)]))
    found = fitness.cell_findings(host, contents.cell, contents.packaged())
    if "python" not in brought:
        found += python_release.findings(contents.cell, contents.node)
    findings = [one.below(prefix.root) for one in found if one.name not in brought]
    findings.append(fitness.programs_finding(prefix.root))
    disk = _disk(contents, prefix, unpacked, compiled=options.compile_bytecode)
    if any(finding.level == "refuse" for finding in findings):
        fitness.require_fit([*findings, disk])
    facts = {
        "stack": contents.stack,
        "cell": dict(contents.cell),
        "manifest": contents.digest,
        "signer": signer,
        "findings": [finding.as_dict() for finding in findings if finding.level != "ok"],
    }
    return Job(host=host, payloads=chosen, disk=disk, facts=facts)


def _require_usable(root: Path) -> None:
    """Hold the path of a prefix to what a PATH and the `activate` of a virtual environment can hold.

    Raises:
        UnusablePrefixError: It has a sign that they take for something else.
    """
    sign = next((one for one in _NOT_IN_A_PATH if one in str(root)), "")
    if sign:
        raise UnusablePrefixError(
            f"The prefix {root} has a {sign} in its name.",
            why="A colon ends an entry of PATH, and Python's own bin/activate has its folder between double quotes, "
            "where a shell reads the others.",
            next_step=f"--prefix with a folder without any of {' '.join(_NOT_IN_A_PATH)}",
        )


def _disk(contents: Contents, prefix: Prefix, unpacked: int, *, compiled: bool) -> fitness.HostFinding:
    times = _UNPACKED + (_COMPILED if compiled else 0)
    installed = times * sum(entry.size for entry in contents.of_kind("wheel"))
    return fitness.disk_finding(prefix.root, installed + unpacked + _SPARE, left=prefix.unfinished())


def folders(options: argparse.Namespace) -> list[str]:
    """Return the folders of the wheelhouse, besides its tools, that this install takes something from."""
    asked = {"payloads": options.payloads, "simple": options.offline_index}
    return ["", "wheels", *(name for name, wanted in asked.items() if wanted)]
