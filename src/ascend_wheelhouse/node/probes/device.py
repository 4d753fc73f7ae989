"""What the probes on a device share: the imports, tolerances, and processes for several ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .api import Context, ProbeFailedError, ProbeSkippedError, last_json_line

TOLERANCES = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 3e-2}
"""Largest error relative to the largest value of the CPU's float64 answer (float32 runs as HF32)."""

_HIDDEN = (
    "HCCL_OP_EXPANSION_MODE",  # deep_ep on A2 ends in unknown operator errors with it (its own notes)
)


def torch_on_npu(context: Context) -> Any:
    """Import torch with its NPU backend and return it.

    Raises:
        ProbeFailedError: The backend sees no device though the machine has some.
    """
    context.doing("import torch and torch_npu")
    import torch
    import torch_npu  # noqa: F401 - importing it is the probe

    context.doing("torch.npu.is_available")
    if not torch.npu.is_available():
        raise ProbeFailedError(
            "torch.npu.is_available() is False though /dev/davinci0 exists: see npu-smi, cann-versions, "
            "and whether this user is in the group HwHiAiUser"
        )
    return torch


def compare(found: Any, expected: Any, kind: str) -> float:
    """Return the error of `found` (on a device) relative to the largest value of `expected` (float64, CPU).

    Raises:
        ProbeFailedError: It is above the tolerance of `kind`, or not a number.
    """
    difference = (found.cpu().double() - expected).abs().max().item()
    error = float(difference / max(expected.abs().max().item(), 1e-12))
    if not error <= TOLERANCES[kind]:
        raise ProbeFailedError(
            f"{kind}: relative error {error:.2e} is above the tolerance {TOLERANCES[kind]:.0e}"
        )
    return error


def in_ranks(module: str, count: int, settings: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Run `module.rank(rank, count)` in a process for each device and return what each one said.

    Raises:
        ProbeFailedError: A rank failed; its last words are in the text.
    """
    if count < 2:
        raise ProbeSkippedError(
            f"{count} devices here and this takes two: run it on a node with more devices"
        )
    environment = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
    environment |= settings
    child = str(Path(__file__).resolve().parent.parent / "child.py")
    workers = [
        _start([sys.executable, "-I", child, "--rank", module, str(rank), str(count)], environment)
        for rank in range(count)
    ]
    answers = [worker.communicate() for worker in workers]
    found: list[Mapping[str, Any]] = []
    for rank, (worker, (said, complained)) in enumerate(zip(workers, answers, strict=True)):
        answer = last_json_line(said)
        if worker.returncode or "failed" in answer or not answer:
            words = answer.get("failed") or (complained.strip().splitlines() or ["no words"])[-1]
            raise ProbeFailedError(f"rank {rank} of {count} (status {worker.returncode}): {words}")
        found.append(answer)
    return found


def _start(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def join_group(rank: int, count: int) -> Any:
    """Set the rank's device, join the HCCL group of this node over loopback, and return torch."""
    import torch
    import torch_npu  # noqa: F401 - importing it is the probe

    torch.npu.set_device(rank)
    torch.distributed.init_process_group(
        "hccl", init_method=f"tcp://127.0.0.1:{os.environ['VERIFY_PORT']}", rank=rank, world_size=count
    )
    return torch


def say(**answer: Any) -> None:
    """Print what a rank found, as the line that `in_ranks` reads."""
    print("\n" + json.dumps(answer), flush=True)
