"""What the probes on a device share: the imports, tolerances, and processes for several ranks."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..host.node_environment import modules_flags
from ..serving.server_process import free_port
from .api import Context, ProbeFailedError, ProbeSkippedError, last_json_line

TOLERANCES = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 3e-2}
"""Largest error relative to the largest value of the CPU's float64 answer (float32 runs as HF32)."""

_GRACE = 10.0
"""Seconds that ranks have to end by themselves once one of them has failed."""

_LOOK = 0.1
_STOPPED = (-signal.SIGTERM, -signal.SIGKILL)
"""How a rank ends that was only waiting for another one; the one that failed by itself is told."""

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
    answer = found.cpu().double()
    if not answer.isfinite().all():
        bad = int((~answer.isfinite()).sum())
        raise ProbeFailedError(f"{kind}: {bad} of {answer.numel()} results are not finite")
    difference = (answer - expected).abs().max().item()
    error = float(difference / max(expected.abs().max().item(), 1e-12))
    if not error <= TOLERANCES[kind]:
        raise ProbeFailedError(
            f"{kind}: relative error {error:.2e} is above the tolerance {TOLERANCES[kind]:.0e}"
        )
    return error


@dataclass(frozen=True, kw_only=True)
class Span:
    """The devices that take part: those of this node, and those of the others where several nodes are given.

    Args:
        devices: How many of this node take part.
        nodes: How many nodes, each with as many devices.
        node: Which of them this is, from 0.
        address: Where rank 0 listens, as `HOST:PORT`; empty on a node alone.
    """

    devices: int
    nodes: int = 1
    node: int = 0
    address: str = ""

    @property
    def world(self) -> int:
        """How many devices in all."""
        return self.devices * self.nodes

    def __str__(self) -> str:
        where = f" of {self.nodes} nodes (this is node {self.node})" if self.nodes > 1 else ""
        return f"{self.world} devices{where}"


def span_of(context: Context) -> Span:
    """Return what the person gave: every device of this node, or of `--nnodes` nodes like it."""
    return Span(
        devices=int(context.options.get("devices", 0)),
        nodes=int(context.options.get("nnodes", 1)),
        node=int(context.options.get("node_rank", 0)),
        address=context.option("dist_init_addr"),
    )


def in_ranks(module: str, span: Span, settings: Mapping[str, str] | None = None) -> list[Mapping[str, Any]]:
    """Run `module.rank(rank, count)` in a process for each device of this node and return what each one said.

    Raises:
        ProbeFailedError: A rank failed; its last words are in the text.
    """
    if span.world < 2:
        raise ProbeSkippedError(
            f"{span.world} devices here and this takes two: run it on a node with more devices"
        )
    environment = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
    environment |= {"VERIFY_JOIN": span.address or f"127.0.0.1:{free_port()}", **(settings or {})}
    environment["VERIFY_DEVICES"] = str(span.devices)
    child = str(Path(__file__).resolve().parent.parent / "child.py")
    flags = list(modules_flags(environment))
    first = span.node * span.devices
    ranks = range(first, first + span.devices)
    workers = [
        _start([sys.executable, *flags, child, "--rank", module, str(rank), str(span.world)], environment)
        for rank in ranks
    ]
    answers = _answers(workers)
    found: list[Mapping[str, Any]] = []
    for local in sorted(range(span.devices), key=lambda number: workers[number].returncode in _STOPPED):
        worker, (said, complained) = workers[local], answers[local]
        answer = last_json_line(said)
        if worker.returncode or "failed" in answer or not answer:
            words = answer.get("failed") or (complained.strip().splitlines() or ["no words"])[-1]
            raise ProbeFailedError(
                f"rank {ranks[local]} of {span.world} (status {worker.returncode}): {words}"
            )
        found.append(answer)
    return found


def _answers(workers: Sequence[subprocess.Popen[str]]) -> list[tuple[str, str]]:
    """Read what every rank says; once one has failed the others, which wait for it, are given little more time."""
    with ThreadPoolExecutor(len(workers)) as readers:
        reading = [readers.submit(worker.communicate) for worker in workers]
        until = math.inf
        while not all(one.done() for one in reading) and time.monotonic() < until:
            time.sleep(_LOOK)
            if any(worker.poll() for worker in workers):
                until = min(until, time.monotonic() + _GRACE)
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
                _killed_late(worker)
        return [one.result() for one in reading]


def _killed_late(worker: subprocess.Popen[str]) -> None:
    try:
        worker.wait(_GRACE)
    except subprocess.TimeoutExpired:
        worker.kill()


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
    """Set the rank's device, join the HCCL group where rank 0 listens, and return torch."""
    import torch
    import torch_npu  # noqa: F401 - importing it is the probe

    torch.npu.set_device(rank % int(os.environ["VERIFY_DEVICES"]))
    torch.distributed.init_process_group(
        "hccl", init_method=f"tcp://{os.environ['VERIFY_JOIN']}", rank=rank, world_size=count
    )
    return torch


def say(**answer: Any) -> None:
    """Print what a rank found, as the line that `in_ranks` reads."""
    print("\n" + json.dumps(answer), flush=True)
