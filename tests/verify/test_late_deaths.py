"""A server that ends by itself between the last check and its stop: what was started is not told as stopped."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from ascend_wheelhouse.node.probes import server, server_pair
from ascend_wheelhouse.node.probes.api import Context
from ascend_wheelhouse.node.serving import server_check
from ascend_wheelhouse.node.serving.server_process import ServerDiedError, ServerPlan, free_port

STAND_IN = Path(__file__).with_name("stand_in_server.py")
DIED = r"^the server ended by itself with status -9"


@pytest.fixture(autouse=True)
def _ended_behind_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = server_check.run_checks

    def and_end(
        client: server_check.Client, names: Collection[str] | None = None
    ) -> list[server_check.Checked]:
        done = checks(client, names)
        assert [one.evidence for one in done if not one.passed] == []
        os.kill(client.server.family.leader, signal.SIGKILL)
        while client.server.lives:
            time.sleep(0.01)
        return done

    monkeypatch.setattr(server_check, "run_checks", and_end)


def plan(folder: Path, key: str = "") -> ServerPlan:
    folder.mkdir()
    port = free_port()
    knobs = json.dumps({"children": 0, "key": key, "told_context": 512})
    return ServerPlan(
        words=[sys.executable, "-I", str(STAND_IN), knobs, str(port), "--model-path", "tiny"],
        environment=os.environ,
        port=port,
        folder=folder,
        healthy_seconds=60,
    )


def context(folder: Path) -> Context:
    return Context(manifest={}, options={}, scratch=folder, doing=lambda _text: None)


def test_a_server_alone_is_told_as_dead(tmp_path: Path) -> None:
    planned = plan(tmp_path / "server", server._KEY)  # noqa: SLF001 - the rest of a probe takes a whole environment
    with pytest.raises(ServerDiedError, match=DIED):
        server._serve(context(tmp_path), planned, None, 1.0, tiny=True)  # noqa: SLF001


def test_the_router_of_a_pair_is_told_as_dead(tmp_path: Path) -> None:
    plans = {part: plan(tmp_path / part) for part in ("prefill", "decode", "router")}
    with pytest.raises(ServerDiedError, match=DIED):
        server_pair._served(context(tmp_path), plans, Path("tiny"), None, 1.0)  # noqa: SLF001
