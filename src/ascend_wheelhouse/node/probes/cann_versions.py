"""CANN, NNAL and the driver on this machine, against the cell that the wheelhouse was made for."""

from __future__ import annotations

from ..host.fitness import cell_findings
from ..host.host import read_host
from .api import Context, Outcome, ProbeFailedError


def run(context: Context) -> Outcome:
    """Compare what is installed with the cell."""
    cell = {name: str(value) for name, value in context.cell.items()}
    host = read_host(ascend=context.option("ascend"), wanted=cell.get("cann", ""))
    findings = cell_findings(host, cell)
    figures = {one.name: {"found": one.found, "wanted": one.wanted, "level": one.level} for one in findings}
    bad = [one.head for one in findings if one.level == "refuse"]
    if bad:
        raise ProbeFailedError("; ".join(bad), figures=figures)
    return Outcome(
        evidence=f"CANN {host.cann}, NNAL {host.nnal}, driver {host.driver}, firmware {host.firmware}",
        figures=figures,
    )
