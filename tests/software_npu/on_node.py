"""Run one probe on the node that this process is on and print its result: `on_node.py REQUEST`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ascend_wheelhouse.node import probes
from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.verify import planning, runner, settings, several_nodes
from ascend_wheelhouse.node.verify.sealed import NativeLauncher


def main(arguments: Sequence[str]) -> int:
    """Run the probe."""
    request = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    probe = probes.named(request["probe"])
    if request["seconds"]:
        probe = replace(probe, seconds=request["seconds"])
    count, rank, address = request["nodes"]
    nodes = several_nodes.Nodes(count=count, rank=rank, address=address)
    with tempfile.TemporaryDirectory(prefix="on-node-") as folder:
        setting = settings.Setting(
            environment=Path(request["environment"]),
            manifest={"cell": request["cell"], "files": [], "stack": "small", "platform": "x86_64"},
            options=settings.VerifyOptions(require_npu=request["require_npu"], nodes=nodes),
            launcher=NativeLauncher(sealed=False),
            ascend=cann.look(request["cell"]["cann"]),
            scratch=Path(folder),
        )
        probe = replace(probe, hardware="")  # the stand-ins of the kernels run where the real ones cannot
        chosen = probe if not request["require_npu"] else planning.plan(setting)[0]
        result = runner.run_probe(chosen, setting)
        report = runner.make_report(setting, [result])
    told = {"result": asdict(result), "exit_code": report.exit_code, "head": report.head}
    sys.stdout.write(f"\n{json.dumps(told, default=str)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
