"""A prefill server, a decode server and the router: a request goes through all three, and answers as one server does.

On a node the words are those of the stack's pair (`pairs` in the manifest), the servers on devices of their own.
Elsewhere both serve on the CPU, with SGLang's own Ascend transfer code over a stand-in of MemFabric's engine, which
moves the cache from one process into the other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..serving import server_check, tiny_model
from ..serving.server_process import Server, ServerError, ServerPlan, free_port
from ..serving.topologies import ROUTER, Program, TopologyError, devices_of, program_of
from .api import Context, Outcome, ProbeFailedError, ProbeSkippedError
from .server import on_cpu, told_reference
from .tiny import Reference, make_tiny_model

_PAIR = "pd"
_CHECKS = ("models", "greedy-twice", "as-reference", "completions", "chat", "sixteen-at-once")
_PARTS = ("prefill", "decode", "router")
_TRANSFER = ("--disaggregation-transfer-backend", "ascend", "--disaggregation-mode")
_READY = {"router": "/readiness"}
_HEALTHY_SECONDS, _REQUEST_SECONDS, _STOP_SECONDS = 600.0, 120.0, 30.0
_LOADED_HEALTHY_SECONDS = 3600.0


def run(context: Context) -> Outcome:
    """Start the three, ask the router, stop them."""
    patience = float(context.options.get("patience", 1))
    model = Path(context.option("model") or context.scratch / "tiny-llama")
    tiny = not context.option("model")
    plans = _plans(context, model)
    if tiny:
        context.doing("make the tiny model")
        make_tiny_model(model, patience)
    reference = Reference(model, patience) if tiny else None
    try:
        figures, checks = _served(context, plans, model, reference, patience)
    except ServerError as error:
        raise ProbeFailedError(f"{type(error).__name__}: {error}") from error
    finally:
        if reference:
            reference.end()
    failed = [f"{one.name}: {one.evidence}" for one in checks if not one.passed]
    if failed:
        raise ProbeFailedError("; ".join(failed), figures=figures)
    return Outcome(
        evidence=f"{len(checks)} checks pass{told_reference(tiny=tiny)} through router, prefill and decode, "
        f"ready after {figures['healthy_seconds']:.0f} s, nothing left after the stop",
        figures=figures,
    )


def _plans(context: Context, model: Path) -> dict[str, ServerPlan]:
    """Return how each of the three is started.

    Raises:
        ProbeSkippedError: The node has too few devices.
        ProbeFailedError: The stack has no such pair.
    """
    on_node = bool(context.options.get("npu"))
    serving = context.manifest.get("serving", {})
    if not on_node:
        serving = _on_cpu(serving)
    pair = serving.get("pairs", {}).get(_PAIR)
    if pair is None:
        raise ProbeFailedError(f"the stack has no pair {_PAIR!r} in its serving file")
    first, second = (devices_of(serving, pair[part]) for part in ("prefill", "decode"))
    if on_node and int(context.options.get("devices", 0)) < first + second:
        raise ProbeSkippedError(f"the pair takes {first} and {second} devices: run it on a node with more")
    ports = {part: free_port() for part in _PARTS}
    values = {
        "store": f"tcp://127.0.0.1:{free_port()}",
        "bootstrap_port": str(free_port()),
        "prefill": f"http://127.0.0.1:{ports['prefill']}",
        "decode": f"http://127.0.0.1:{ports['decode']}",
    }
    found = {}
    for part, base in zip(_PARTS, (0, first, 0), strict=True):
        try:
            program = program_of(serving, pair[part], {**values, "base_gpu_id": str(base)})
        except TopologyError as error:
            raise ProbeFailedError(str(error)) from None
        found[part] = _plan(context, part, program, ports[part], model)
    return found


def _on_cpu(serving: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the pair where there is no NPU; SGLang looks for a network card unless it is told an address."""
    alone = on_cpu(serving)
    words = (*alone["arguments"], *_TRANSFER)
    router = (
        *("--pd-disaggregation", "--policy", "cache_aware"),
        *("--prefill", "{prefill}", "{bootstrap_port}", "--decode", "{decode}"),
    )
    prefill = (*words, "prefill", "--disaggregation-bootstrap-port", "{bootstrap_port}")
    return {
        "topologies": {
            "prefill": {**alone, "arguments": prefill},
            "decode": {**alone, "arguments": (*words, "decode")},
            "router": {"program": ROUTER, "arguments": router},
        },
        "environment": {"ASCEND_MF_STORE_URL": "{store}", "SGLANG_HOST_IP": "127.0.0.1"},
        "pairs": {_PAIR: {name: name for name in _PARTS}},
    }


def _plan(context: Context, part: str, program: Program, port: int, model: Path) -> ServerPlan:
    patience = float(context.options.get("patience", 1))
    healthy = _LOADED_HEALTHY_SECONDS if context.option("model") else _HEALTHY_SECONDS
    folder = context.scratch / part
    folder.mkdir()
    served = () if program.module == ROUTER else ("--model-path", str(model))
    words = [
        sys.executable,
        "-s",
        "-P",
        "-m",
        program.module,
        *served,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    return ServerPlan(
        words=[*words, *program.arguments],
        environment={**program.variables(os.environ), **_stand_in(context)},
        port=port,
        folder=folder,
        healthy_seconds=healthy * patience,
        stop_seconds=_STOP_SECONDS * patience,
        health=_READY.get(part, "/health"),
    )


def _stand_in(context: Context) -> dict[str, str]:
    """Where there is no NPU the stand-in of MemFabric's engine goes before the real one, which wants a device."""
    folder = context.option("standins")
    return {"PYTHONPATH": f"{folder}/transfer:{os.environ.get('PYTHONPATH', folder)}"} if folder else {}


def _served(
    context: Context,
    plans: Mapping[str, ServerPlan],
    model: Path,
    reference: Reference | None,
    patience: float,
) -> tuple[dict[str, Any], list[server_check.Checked]]:
    with ExitStack() as running:
        context.doing("start prefill and decode")
        servers = {part: running.enter_context(Server(plans[part])) for part in ("prefill", "decode")}
        seconds = max(server.wait_healthy() for server in servers.values())
        context.doing("start the router")
        servers["router"] = running.enter_context(Server(plans["router"]))
        servers["router"].wait_healthy()
        context.doing("requests")
        client = server_check.Client(
            server=servers["router"],
            key="",
            seconds=_REQUEST_SECONDS * patience,
            model=str(model),
            context_length=tiny_model.CONTEXT,
            expected=reference.tokens if reference else None,
        )
        checks = server_check.run_checks(client, _CHECKS)
        figures: dict[str, Any] = {"healthy_seconds": round(seconds, 1)}
        figures |= {one.name: {"passed": one.passed, "seconds": one.seconds, **one.figures} for one in checks}
        for part in ("prefill", "decode"):
            context.doing(f"whether {part} still lives")
            servers[part].check_alive()
        sound = all(one.passed for one in checks)
        for part in ("router", "decode", "prefill"):
            context.doing(f"stop {part}")
            if servers[part].lives or sound:
                servers[part].stop()
    return figures, checks
