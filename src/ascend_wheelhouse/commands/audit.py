"""`invoke audit`: proves that wheels fit together, and prints what does not."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.audit.command import AuditRequest, audit
from ascend_wheelhouse.audit.render import show
from ascend_wheelhouse.audit.sarif import as_sarif
from ascend_wheelhouse.base.output_file import require_place, write_result


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """What `invoke audit` was asked for.

    Args:
        root: The project folder.
        request: Where the wheels are and what they are held to.
        sarif: File to write the report to as SARIF.
        json: Print the report as one JSON document.
    """

    root: Path
    request: AuditRequest
    sarif: Path | None = None
    json: bool = False


def main(options: AuditOptions) -> int:
    """Audit wheels, print the report and return the exit code, 7 with a defect."""
    require_place(options.sarif, "--sarif", "audit.sarif")
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit:
        report = audit(options.request, root=options.root, emit=emit)
    if options.sarif:
        text = json_module.dumps(as_sarif(report), indent=1, sort_keys=True)
        write_result(options.sarif, f"{text}\n")
    if options.json:
        console.print_json(report.as_dict())
    else:
        show(report, alone=options.request.judged_alone)
    return report.exit_code
