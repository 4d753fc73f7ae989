"""The launch_server check: a real server of the environment under test, asked over HTTP and stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..serving import server_check, tiny_model
from ..serving.server_process import Server, ServerError, ServerPlan, free_port
from .api import Context, Outcome, ProbeFailedError, last_json_line

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

_PLAIN = {"TORCHDYNAMO_DISABLE": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
"""Keeps torch from starting compile workers, nine processes and a gigabyte, in what only computes a reference."""

_KEY = "verify-key"
_HEALTHY_SECONDS, _REQUEST_SECONDS, _STOP_SECONDS = 450.0, 60.0, 30.0
_LOADED_HEALTHY_SECONDS = 3600.0


def run(context: Context) -> Outcome:
    """Make or take a model, serve it, check it, stop it."""
    patience = float(context.options.get("patience", 1))
    model = Path(context.option("model") or context.scratch / "tiny-llama")
    tiny = not context.option("model")
    if tiny:
        context.doing("make the tiny model")
        _call([sys.executable, "-s", "-P", tiny_model.__file__, "make", str(model)], 300 * patience)
    reference = _Reference(model, 240 * patience) if tiny else None
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
    return Outcome(evidence=_evidence(figures, len(checks)), figures=figures)


def topology(context: Context) -> Mapping[str, Any]:
    """Return the server flags for this machine: data of the stack on a node, those for a CPU elsewhere.

    Raises:
        ProbeFailedError: The manifest knows no topology of that name.
    """
    serving = context.manifest.get("serving", {})
    known = serving.get("topologies", {})
    if not context.options.get("npu"):
        found: Mapping[str, Any] = known.get("cpu", ON_CPU)
        return found
    name = context.option("topology")
    if name not in known:
        raise ProbeFailedError(
            f"the stack has no serving topology {name!r}: it has {', '.join(sorted(known)) or 'none'}"
        )
    shared = serving.get("environment", {})
    return {"unset": (), **known[name], "environment": {**shared, **known[name].get("environment", {})}}


def _plan(context: Context, model: Path, patience: float, *, tiny: bool) -> ServerPlan:
    chosen = topology(context)
    port = free_port()
    folder = context.scratch / "serve"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in chosen.get("unset", ())}
    store = f"tcp://127.0.0.1:{free_port()}"
    environment |= {
        name: str(value).replace("{store}", store) for name, value in chosen["environment"].items()
    }
    base = ("--model-path", str(model), "--host", "127.0.0.1", "--port", str(port), "--api-key", _KEY)
    return ServerPlan(
        words=[
            sys.executable,
            "-s",
            "-P",
            "-m",
            "sglang.launch_server",
            *base,
            *map(str, chosen["arguments"]),
        ],
        environment=environment,
        port=port,
        folder=folder,
        healthy_seconds=(_HEALTHY_SECONDS if tiny else _LOADED_HEALTHY_SECONDS) * patience,
        stop_seconds=_STOP_SECONDS * patience,
    )


def _serve(
    context: Context, plan: ServerPlan, reference: _Reference | None, patience: float, *, tiny: bool
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
            expected=reference.tokens if reference else tuple,
        )
        checks = server_check.run_checks(client)
        context.doing("stop")
        if not server.lives:
            return _figures(healthy, checks), checks
        stopped = server.stop()
    stop = {"status": stopped.status, "seconds": round(stopped.seconds, 2), "killed": stopped.killed}
    return {**_figures(healthy, checks), "stop": stop}, checks


def _figures(healthy: float, checks: Sequence[server_check.Checked]) -> dict[str, Any]:
    figures: dict[str, Any] = {"healthy_seconds": round(healthy, 1)}
    for one in checks:
        figures[one.name] = {"passed": one.passed, "seconds": one.seconds, **one.figures}
    return figures


def _evidence(figures: Mapping[str, Any], count: int) -> str:
    chat, health = figures.get("chat", {}), figures.get("still-healthy", {})
    return (
        f"healthy after {figures['healthy_seconds']:.0f} s, {count} checks pass, "
        f"first token {chat.get('first_token_ms', '?')} ms, {chat.get('per_token_ms', '?')} ms a token, "
        f"{health.get('memory_mib', '?')} MiB, nothing left after the stop"
    )


def _context_length(plan: ServerPlan) -> int:
    folder = Path(plan.words[plan.words.index("--model-path") + 1])
    found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return int(found.get("max_position_embeddings", 32768))


def _call(words: Sequence[str], seconds: float) -> str:
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no words"]
        raise ProbeFailedError(
            f"{Path(words[3]).name} {words[4]} ended with status {done.returncode}: {lines[-1]}"
        )
    return done.stdout


class _Reference:
    """Works out transformers' tokens in a process beside the starting server."""

    def __init__(self, model: Path, seconds: float) -> None:
        ids = json.dumps(server_check.PROMPT_IDS)
        count = str(server_check.NEW_TOKENS)
        words = [sys.executable, "-s", "-P", tiny_model.__file__, "reference", str(model), ids, count]
        self._deadline = time.monotonic() + seconds
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `end`
        environment = {**os.environ, **_PLAIN}
        self._process = subprocess.Popen(words, env=environment, stdout=self._log, stderr=subprocess.STDOUT)

    def tokens(self) -> Sequence[int]:
        """Return the tokens, waiting for them.

        Raises:
            CheckFailedError: The reference itself failed.
        """
        try:
            status = self._process.wait(max(1.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise server_check.CheckFailedError("transformers gave no tokens in time") from None
        self._log.seek(0)
        said = self._log.read()
        tokens = last_json_line(said).get("tokens", [])
        if status or not tokens:
            words = said.strip().splitlines() or ["no words"]
            raise server_check.CheckFailedError(f"transformers ended with status {status}: {words[-1]}")
        return [int(token) for token in tokens]

    def end(self) -> None:
        """Kill the process where it still runs."""
        self._process.kill()
        self._process.wait()
        self._log.close()
