"""`npu-smi info`: every device is there and healthy."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from .api import Context, Outcome, ProbeFailedError, ProbeSkippedError

_ROW = re.compile(r"^\|\s*(\d+)\s+(\S+)\s*\|\s*(\w+)\s*\|")
_ERRORS = {
    kind.lower(): re.compile(rf"HBM {kind} Bit Error Count\s*:\s*(\d+)") for kind in ("Single", "Double")
}
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
    present = int(context.options.get("present", 0) or len(rows))
    if len(rows) != present:
        raise ProbeFailedError(f"npu-smi lists {len(rows)} NPUs, /dev has {present}")
    single, untold = _memory_errors(command, sorted({number for number, _, _ in rows}))
    names = sorted({name for _, name, _ in rows})
    figures: dict[str, Any] = {"npus": len(rows), "names": names}
    figures |= {"memory_errors_untold": untold} if untold else {"corrected_memory_errors": single}
    note = f"; memory errors are not told of NPU {', '.join(map(str, untold))}" if untold else ""
    return Outcome(evidence=f"{len(rows)} NPUs healthy ({', '.join(names)}){note}", figures=figures)


def _memory_errors(command: str, numbers: Sequence[int]) -> tuple[int, list[int]]:
    """Add up the corrected errors of the NPUs' memory; one that could not be corrected is a broken device.

    Returns:
        The sum, and the NPUs of which npu-smi tells none: what nobody could read is not zero.

    Raises:
        ProbeFailedError: An NPU has one that could not be corrected.
    """
    single, untold = 0, []
    for number in numbers:
        done = subprocess.run(
            [command, "info", "-t", "ecc", "-i", str(number)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=60,
        )
        found = {kind: pattern.findall(done.stdout) for kind, pattern in _ERRORS.items()}
        if doubles := sum(map(int, found["double"])):
            raise ProbeFailedError(
                f"NPU {number} has {doubles} memory errors that could not be corrected: have it replaced"
            )
        single += sum(map(int, found["single"]))
        if done.returncode or not all(found.values()):
            untold.append(number)
    return single, untold


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
