"""`invoke audit`: proves that wheels fit together, and prints what does not."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.audit.command import Request, audit
from ascend_wheelhouse.audit.render import show
from ascend_wheelhouse.audit.sarif import as_sarif
from ascend_wheelhouse.base.whole_file import write_whole


def main(root: Path, *, wheels: Sequence[str], words: Mapping[str, str], json: bool) -> int:
    """Audit wheels, print the report and return the exit code, 7 with a defect.

    Args:
        root: The project folder.
        wheels: Wheels and folders of wheels.
        words: `wheelhouse`, `lock`, `cann_root`, `sarif`, `platform`, `npu`; empty where not given.
        json: Print the report as one JSON document.
    """
    json = json or "--json" in wheels  # behind `--` it is meant as the option all the same
    with console.main_guard(json=json):
        request = Request(
            paths=tuple(Path(wheel) for wheel in wheels if wheel != "--json"),
            wheelhouse=_path(words["wheelhouse"]),
            lock=_path(words["lock"]),
            cann_root=_path(words["cann_root"]),
            platform=words["platform"],
            npu=words["npu"],
        )
        with console.reporter("json" if json else "auto", stream=sys.stderr) as emit:
            report = audit(request, root=root, emit=emit)
        if words["sarif"]:
            text = json_module.dumps(as_sarif(report), indent=1, sort_keys=True)
            write_whole(Path(words["sarif"]), f"{text}\n")
        if json:
            console.print_json(report.as_dict())
        else:
            show(report)
        return report.exit_code


def _path(text: str) -> Path | None:
    return Path(text) if text else None
