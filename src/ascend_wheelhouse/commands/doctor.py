"""`invoke doctor`: the node's own examination, run from here, or what emulating the other architecture takes."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.cells.target import MACHINES
from ascend_wheelhouse.console.table import table
from ascend_wheelhouse.node.host import doctor
from ascend_wheelhouse.verify import emulation


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """What `invoke doctor` was asked for.

    Args:
        fix: Set what can be set, so that it survives a reboot.
        emulation: Say instead what running a wheelhouse of the other architecture here takes.
        json: Print one JSON document.
    """

    fix: bool = False
    emulation: bool = False
    json: bool = False


def main(options: DoctorOptions) -> int:
    """Examine this host and return the exit code."""
    if options.emulation:
        other = next(machine for machine in MACHINES if machine != platform.machine())
        return _emulate(other, json=options.json)
    words = [word for word, asked in (("--fix", options.fix), ("--json", options.json)) if asked]
    return doctor.main(words)


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
