"""The launch_server check: a real server of the environment under test, asked over HTTP and stopped."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..serving import server_check, tiny_model
from ..serving.server_process import Server, ServerError, ServerPlan, free_port
from ..serving.topologies import Program, TopologyError, devices_of, program_of
from .api import Context, Outcome, ProbeFailedError, ProbeSkippedError
from .tiny import Reference, make_tiny_model

ON_CPU: Mapping[str, Any] = {
    "arguments": (
        *("--device", "cpu", "--attention-backend", "torch_native", "--disable-overlap-schedule"),
        *("--disable-radix-cache", "--disable-cuda-graph", "--max-total-tokens", "4096"),
        *("--max-running-requests", "16", "--mem-fraction-static", "0.3"),
    ),
    "environment": {"TORCHDYNAMO_DISABLE": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"},
    "unset": (),
}
"""How a server starts where there is no NPU; a topology `cpu` in the manifest goes before it."""

_KEY = "verify-key"
_HEALTHY_SECONDS, _REQUEST_SECONDS, _STOP_SECONDS = 450.0, 60.0, 30.0
_LOADED_HEALTHY_SECONDS = 3600.0


def run(context: Context) -> Outcome:
    """Make or take a model, serve it, check it, stop it."""
    _require_devices(context)
    patience = float(context.options.get("patience", 1))
    model = Path(context.option("model") or context.scratch / "tiny-llama")
    tiny = not context.option("model")
    if tiny:
        context.doing("make the tiny model")
        make_tiny_model(model, patience)
    reference = Reference(model, patience) if tiny else None
    plan = _plan(context, model, patience, tiny=tiny)
    try:
        figures, checks = _serve(context, plan, reference, patience, tiny=tiny)
    except ServerError as error:
        raise ProbeFailedError(f"{type(error).__name__}: {error}") from error
    finally:
        if reference:
            reference.end()
    failed = [f"{one.name}: {one.evidence}" for one in checks if not one.passed]
    if failed:
        raise ProbeFailedError("; ".join(failed), figures=figures)
    return Outcome(evidence=_evidence(figures, len(checks), tiny=tiny), figures=figures)


def _require_devices(context: Context) -> None:
    name, here = context.option("topology"), int(context.options.get("devices", 0))
    takes = devices_of(context.manifest.get("serving", {}), name)
    if context.options.get("npu") and here < takes:
        raise ProbeSkippedError(
            f"the topology {name} takes {takes} devices, {here} are here: run it on a node with more, or name another"
        )


def on_cpu(serving: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a server starts where there is no NPU: words for every release, and those of its own line.

    Args:
        serving: The manifest's table of that name.
    """
    return {**ON_CPU, "arguments": (*ON_CPU["arguments"], *serving.get("cpu_arguments", ()))}


def topology(context: Context) -> Program:
    """Return how the server is started on this machine: the stack's words on a node, those for a CPU elsewhere.

    Raises:
        ProbeFailedError: The manifest knows no topology of that name, or it takes more than this node alone.
    """
    serving = context.manifest.get("serving", {})
    known = serving.get("topologies", {})
    if not context.options.get("npu"):
        serving = {"topologies": {"cpu": known.get("cpu") or on_cpu(serving)}}
    name = context.option("topology") if context.options.get("npu") else "cpu"
    try:
        return program_of(serving, name, _values())
    except TopologyError as error:
        raise ProbeFailedError(str(error)) from None


def _values() -> dict[str, str]:
    """What a server alone is given for the words that its topology leaves open."""
    return {
        "store": f"tcp://127.0.0.1:{free_port()}",
        "bootstrap_port": str(free_port()),
        "base_gpu_id": "0",
    }


def _plan(context: Context, model: Path, patience: float, *, tiny: bool) -> ServerPlan:
    chosen = topology(context)
    port = free_port()
    folder = context.scratch / "serve"
    folder.mkdir()
    base = ("--model-path", str(model), "--host", "127.0.0.1", "--port", str(port), "--api-key", _KEY)
    return ServerPlan(
        words=[sys.executable, "-s", "-P", "-m", chosen.module, *base, *chosen.arguments],
        environment=chosen.variables(os.environ),
        port=port,
        folder=folder,
        healthy_seconds=(_HEALTHY_SECONDS if tiny else _LOADED_HEALTHY_SECONDS) * patience,
        stop_seconds=_STOP_SECONDS * patience,
    )


def _serve(
    context: Context, plan: ServerPlan, reference: Reference | None, patience: float, *, tiny: bool
) -> tuple[dict[str, Any], Sequence[server_check.Checked]]:
    context.doing("wait for /health")
    with Server(plan) as server:
        healthy = server.wait_healthy()
        context.doing("requests")
        client = server_check.Client(
            server=server,
            key=_KEY,
            seconds=_REQUEST_SECONDS * patience,
            model=plan.words[plan.words.index("--model-path") + 1],
            context_length=tiny_model.CONTEXT if tiny else _context_length(plan),
            expected=reference.tokens if reference else None,
        )
        checks = server_check.run_checks(client)
        context.doing("stop")
        if not server.lives and any(not one.passed for one in checks):
            return _figures(healthy, checks), checks
        stopped = server.stop()
    stop = {"status": stopped.status, "seconds": round(stopped.seconds, 2), "killed": stopped.killed}
    return {**_figures(healthy, checks), "stop": stop}, checks


def _figures(healthy: float, checks: Sequence[server_check.Checked]) -> dict[str, Any]:
    figures: dict[str, Any] = {"healthy_seconds": round(healthy, 1)}
    for one in checks:
        figures[one.name] = {"passed": one.passed, "seconds": one.seconds, **one.figures}
    return figures


def told_reference(*, tiny: bool) -> str:
    """Return what evidence says of tokens that nothing was compared with: real weights have no reference here."""
    return "" if tiny else " (no reference for these weights)"


def _evidence(figures: Mapping[str, Any], count: int, *, tiny: bool) -> str:
    chat, health = figures.get("chat", {}), figures.get("still-healthy", {})
    return (
        f"healthy after {figures['healthy_seconds']:.0f} s, {count} checks pass{told_reference(tiny=tiny)}, "
        f"first token {chat.get('first_token_ms', '?')} ms, {chat.get('per_token_ms', '?')} ms a token, "
        f"{health.get('memory_mib', '?')} MiB, nothing left after the stop"
    )


def _context_length(plan: ServerPlan) -> int:
    folder = Path(plan.words[plan.words.index("--model-path") + 1])
    found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return int(found.get("max_position_embeddings", 32768))
