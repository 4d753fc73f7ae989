"""`npu-smi info`: every device is there and healthy.

An NPU is a card; on Atlas A3 it has two chips, each a device of its own. The table has two lines for each chip: name
and health, then its number on the card and `Phy-ID`, the number of its device (vllm-project/vllm-ascend#2534). `-t ecc`
of a card ends what it says of each chip with `Chip ID`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .api import Context, Outcome, ProbeFailedError, ProbeSkippedError

_ROW = re.compile(r"^\|\s*(\d+)\s+(\S+)\s*\|\s*([^|]*?)\s*\|")
_SECOND_ROW = re.compile(r"^\|\s*(\d+)\s+(\d+)\s*\|\s*\w+:\w+:")
_COUNT = re.compile(r"\s*(HBM Single|HBM Double|Chip)(?: Bit Error Count| ID)\s*:\s*(\d+)")
_KINDS = ("HBM Single", "HBM Double")
_PLACES = (
    "npu-smi",
    "/usr/local/sbin/npu-smi",
    "/usr/local/bin/npu-smi",
    "/usr/local/Ascend/driver/tools/npu-smi",
)


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A line of the table, and where a card has several chips, which it is.

    Args:
        npu: The card's number.
        name: As npu-smi names it.
        health: `OK`, or what is wrong; empty where npu-smi tells nothing.
        chip: Its number on the card, or empty.
        device: The number of its device below `/dev`, or empty.
    """

    npu: int
    name: str
    health: str
    chip: str = ""
    device: str = ""

    def __str__(self) -> str:
        which = f" chip {self.chip} ({self.name}, device {self.device})" if self.device else f" ({self.name})"
        return f"NPU {self.npu}{which}"


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
    sick = [f"{row} is {row.health or 'without a state'}" for row in rows if row.health != "OK"]
    if sick:
        raise ProbeFailedError("; ".join(sick))
    present = int(context.options.get("present", 0) or len(rows))
    if len(rows) != present:
        raise ProbeFailedError(f"npu-smi lists {len(rows)} NPUs, /dev has {present}")
    single, untold = _memory_errors(command, sorted({row.npu for row in rows}))
    names = sorted({row.name for row in rows})
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
        told = list(_counted(done.stdout.splitlines()))
        for which, counts in told:
            if doubles := counts.get("HBM Double", 0):
                raise ProbeFailedError(
                    f"NPU {number}{which} has {doubles} memory errors that could not be corrected: have it replaced"
                )
            single += counts.get("HBM Single", 0)
        if done.returncode or not told or any(len(counts) < len(_KINDS) for _, counts in told):
            untold.append(number)
    return single, untold


def _counted(lines: Sequence[str]) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield what `-t ecc` tells of each chip: ` chip N`, or nothing where it numbers none, and its counts by kind."""
    counts: dict[str, int] = {}
    for found in filter(None, map(_COUNT.match, lines)):
        if found[1] in _KINDS:
            counts[found[1]] = int(found[2])
        else:
            yield f" chip {found[2]}", counts
            counts = {}
    if counts:
        yield "", counts


def read(lines: Sequence[str]) -> list[Chip]:
    """Return each chip of `npu-smi info`'s first table."""
    found: list[Chip] = []
    for line in lines:
        match = _ROW.match(line)
        if match and not match[2].isdigit():
            found.append(Chip(npu=int(match[1]), name=match[2], health=match[3]))
        elif found and (second := _SECOND_ROW.match(line)):
            found[-1] = replace(found[-1], chip=second[1], device=second[2])
        if line.startswith("| NPU") and "Process" in line:
            break
    return found
