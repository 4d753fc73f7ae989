"""CANN, NNAL and the driver on this machine, against the cell that the wheelhouse was made for."""

from __future__ import annotations

from ..host import cann, toolkits
from ..host.fitness import cell_findings
from ..host.host import Host, read_host
from ..seen import is_file
from .api import Context, Outcome, ProbeFailedError


def run(context: Context) -> Outcome:
    """Compare what is installed with the cell; where there are NPUs, what is not there at all is no match either."""
    cell = {name: str(value) for name, value in context.cell.items()}
    host = read_host(ascend=context.option("ascend"), wanted=cell.get("cann", ""))
    findings = cell_findings(host, cell)
    figures = {one.name: {"found": one.found, "wanted": one.wanted, "level": one.level} for one in findings}
    absent = _absent(host) if context.options.get("npu") else ()
    bad = [one for one in findings if one.level == "refuse" or one.name in absent]
    if bad:
        text = "; ".join(f"{one.name}: found {one.found}, wanted {one.wanted}" for one in bad)
        raise ProbeFailedError(text, figures=figures)
    told = {"CANN": host.cann, "NNAL": host.nnal, "driver": host.driver, "firmware": host.firmware}
    return Outcome(
        evidence=", ".join(f"{name} {version or 'unknown'}" for name, version in told.items()),
        figures=figures,
    )


def _absent(host: Host) -> tuple[str, ...]:
    """Return what nothing serves on NPUs without and the node has not; a version that cannot be read is not that."""
    there = toolkits.find(host.ascend).toolkits
    return (
        *(() if there else ("cann",)),
        *(() if is_file(host.ascend / cann.NNAL_SCRIPT) else ("nnal",)),
    )
