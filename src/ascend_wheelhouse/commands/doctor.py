"""`invoke doctor`: the node's own examination, run from here, or what emulating the other machine takes."""

from __future__ import annotations

import platform

from ascend_wheelhouse.cells.target import MACHINES
from ascend_wheelhouse.commands import verify
from ascend_wheelhouse.node.host import doctor


def main(*, fix: bool, emulation: bool, json: bool) -> int:
    """Examine this host and return the exit code."""
    if emulation:
        other = next(machine for machine in MACHINES if machine != platform.machine())
        return verify.emulate(other, json=json)
    words = [word for word, asked in (("--fix", fix), ("--json", json)) if asked]
    return doctor.main(words)
