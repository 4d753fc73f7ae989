"""CANN, NNAL and the driver on this machine, against the cell that the wheelhouse was made for."""

from __future__ import annotations

from ..host.fitness import cell_findings
from ..host.host import read_host
from .api import Context, Outcome, ProbeFailedError

_TAKEN_BY_NPUS = ("cann", "nnal")
"""A node may come to them later, but nothing serves on NPUs without; the driver's file is not in every container."""


def run(context: Context) -> Outcome:
    """Compare what is installed with the cell; where there are NPUs, what cannot be found is no match either."""
    cell = {name: str(value) for name, value in context.cell.items()}
    host = read_host(ascend=context.option("ascend"), wanted=cell.get("cann", ""))
    findings = cell_findings(host, cell)
    figures = {one.name: {"found": one.found, "wanted": one.wanted, "level": one.level} for one in findings}
    needed = _TAKEN_BY_NPUS if context.options.get("npu") else ()
    bad = [one for one in findings if one.level == "refuse" or (one.name in needed and one.level == "warn")]
    if bad:
        text = "; ".join(f"{one.name}: found {one.found}, wanted {one.wanted}" for one in bad)
        raise ProbeFailedError(text, figures=figures)
    told = {"CANN": host.cann, "NNAL": host.nnal, "driver": host.driver, "firmware": host.firmware}
    return Outcome(
        evidence=", ".join(f"{name} {version or 'unknown'}" for name, version in told.items()),
        figures=figures,
    )
