"""`npu-smi info`: every device is there and healthy."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from .api import Context, Outcome, ProbeFailedError, ProbeSkippedError

_ROW = re.compile(r"^\|\s*(\d+)\s+(\S+)\s*\|\s*(\w+)\s*\|")
_PLACES = (
    "npu-smi",
    "/usr/local/sbin/npu-smi",
    "/usr/local/bin/npu-smi",
    "/usr/local/Ascend/driver/tools/npu-smi",
)


def run(context: Context) -> Outcome:
    """Read the table and judge the health column."""
    command = next((found for name in _PLACES if (found := shutil.which(name))), "")
    if not command:
        raise ProbeSkippedError(
            "npu-smi is not on the path: map /usr/local/sbin into the container, or install the driver"
        )
    context.doing("npu-smi info")
    done = subprocess.run(
        [command, "info"], capture_output=True, text=True, errors="replace", check=False, timeout=60
    )
    rows = read(done.stdout.splitlines())
    if done.returncode or not rows:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no words"]
        raise ProbeFailedError(f"npu-smi info ended with status {done.returncode}: {words[-1]}")
    sick = [f"NPU {number} ({name}) is {health}" for number, name, health in rows if health != "OK"]
    if sick:
        raise ProbeFailedError("; ".join(sick))
    names = sorted({name for _, name, _ in rows})
    return Outcome(
        evidence=f"{len(rows)} NPUs healthy ({', '.join(names)})", figures={"npus": len(rows), "names": names}
    )


def read(lines: Sequence[str]) -> list[tuple[int, str, str]]:
    """Return number, name and health of each NPU in `npu-smi info`'s first table."""
    found = []
    for line in lines:
        match = _ROW.match(line)
        if match and not match[2].isdigit():
            found.append((int(match[1]), match[2], match[3]))
        if line.startswith("| NPU") and "Process" in line:
            break
    return found
