"""The guide's system settings, as findings: what only costs speed does not fail a node."""

from __future__ import annotations

from pathlib import Path

from ..host.doctor import examine
from ..host.host import read_host
from .api import Context, Outcome, ProbeFailedError


def run(context: Context) -> Outcome:
    """Read the machine's settings and judge them."""
    host = read_host(ascend=context.option("ascend"), wanted=str(context.cell.get("cann", "")))
    looked = examine(host, place=Path(context.option("site_packages") or "/"), stands=True)
    findings = [one for one in looked if context.options.get("npu") or one.name not in _DEVICE_ONLY]
    refused = [one for one in findings if one.level == "refuse"]
    figures = {one.name: {"found": one.found, "wanted": one.wanted, "level": one.level} for one in findings}
    if refused and context.options.get("npu"):
        raise ProbeFailedError("; ".join(one.head for one in refused), figures=figures)
    advice = [f"{one.name} is {one.found}, better {one.wanted}" for one in findings if one.level != "ok"]
    return Outcome(evidence="; ".join(advice) if advice else "all as the guide asks", figures=figures)


_DEVICE_ONLY = frozenset(
    {"devices", "device managers", "driver", "firmware", "chip", "cann", "nnal", "c++ compiler"}
)
"""Findings that say nothing on a machine that has no NPU."""
