"""`invoke doctor`: what a build host needs, the node's own examination on a node, or what emulation takes."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.cells.target import MACHINES
from ascend_wheelhouse.console.table import table
from ascend_wheelhouse.make import build_host
from ascend_wheelhouse.node.host import doctor
from ascend_wheelhouse.verify import emulation


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """What `invoke doctor` was asked for.

    Args:
        fix: Set what can be set, so that it survives a reboot.
        emulation: Say instead what running a wheelhouse of the other architecture here takes.
        node: Examine this host as a node, although no NPU and no driver is there.
        json: Print one JSON document.
    """

    fix: bool = False
    emulation: bool = False
    node: bool = False
    json: bool = False


def main(options: DoctorOptions) -> int:
    """Examine this host and return the exit code."""
    if options.emulation:
        other = next(machine for machine in MACHINES if machine != platform.machine())
        return _emulate(other, json=options.json)
    if not (options.node or options.fix or build_host.is_node()):
        return _build_host(json=options.json)
    words = [word for word, asked in (("--fix", options.fix), ("--json", options.json)) if asked]
    return doctor.main(words)


def _build_host(*, json: bool) -> int:
    """Say what making and building take here, with the answer in one line, and return the exit code."""
    needs = build_host.examine(Path("wheelhouse").absolute())
    answer = build_host.verdict(needs)
    refused = any(need.finding.level == "refuse" for need in needs)
    if json:
        rows = [{"purpose": need.purpose, **need.finding.as_dict()} for need in needs]
        console.print_json({"findings": rows, "verdict": answer, "can": not refused})
    else:
        for need in needs:
            console.line(need.finding.line())
        console.line(f"\n{answer}")
    return HostUnfitError.exit_code if refused else 0


def _emulate(machine: str, *, json: bool) -> int:
    """Say what emulating a machine takes here and return the exit code: 10 where it cannot be done."""
    needs = emulation.needs(machine)
    missing = [need for need in needs if need.required and not need.present]
    if json:
        console.print_json([asdict(need) for need in needs])
    else:
        rows = [(need.name, "here" if need.present else "missing", need.package, need.why) for need in needs]
        table(("what", "state", "package", "what for"), rows)
    return HostUnfitError.exit_code if missing else 0
