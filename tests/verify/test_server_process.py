from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ascend_wheelhouse.node import supervise
from ascend_wheelhouse.node.serving import server_check
from ascend_wheelhouse.node.serving.server_process import (
    LeftBehindError,
    NeverHealthyError,
    PortTakenError,
    Server,
    ServerDiedError,
    ServerPlan,
    free_port,
    port_is_free,
)

STAND_IN = Path(__file__).with_name("stand_in_server.py")


def plan(
    folder: Path,
    *,
    healthy_seconds: float = 120,
    stop_seconds: float = 60,
    gone_seconds: float = 60,
    **knobs: object,
) -> ServerPlan:
    """Return how to start the stand-in; limits that a test does not reach are long, for a loaded machine."""
    port = free_port()
    return ServerPlan(
        words=[sys.executable, "-I", str(STAND_IN), json.dumps(knobs), str(port)],
        environment=os.environ,
        port=port,
        folder=folder,
        healthy_seconds=healthy_seconds,
        stop_seconds=stop_seconds,
        gone_seconds=gone_seconds,
    )


def listening(server: Server) -> None:
    """Wait until the server takes connections."""
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.plan.port)).close()
            return
        server.check_alive()
        time.sleep(0.01)


def client(server: Server, seconds: float = 60) -> server_check.Client:
    return server_check.Client(
        server=server, key="verify-key", seconds=seconds, model="tiny", context_length=512
    )


def outcome(checks: list[server_check.Checked]) -> dict[str, str]:
    return {one.name: one.evidence for one in checks if not one.passed}


def living(server: Server) -> list[supervise.Process]:
    return server.family.alive()


def test_a_good_server_passes_every_check_and_leaves_nothing(tmp_path: Path) -> None:
    with Server(plan(tmp_path, warm=0.5)) as server:
        healthy = server.wait_healthy()
        checks = server_check.run_checks(client(server))
        stopped = server.stop()
    assert outcome(checks) == {}
    without_reference = [name for name, _ in server_check.CHECKS if name != "as-reference"]
    assert [one.name for one in checks] == without_reference
    assert healthy >= 0.5
    assert (stopped.status, stopped.killed) == (-signal.SIGKILL, False)
    assert living(server) == []


def test_a_server_that_ends_with_zero_after_our_signal_is_fine(tmp_path: Path) -> None:
    with Server(plan(tmp_path, on_term="zero")) as server:
        server.wait_healthy()
        assert server.stop().status == 0


def test_a_server_that_refuses_and_then_warms_up_is_waited_for(tmp_path: Path) -> None:
    with Server(plan(tmp_path, refuse=1.0, warm=1.0)) as server:
        assert server.wait_healthy() >= 2.0


def test_a_slow_health_answer_is_waited_for(tmp_path: Path) -> None:
    with Server(plan(tmp_path, health_delay=1.5)) as server:
        assert server.wait_healthy() >= 1.5


def test_a_server_that_never_gets_healthy_is_given_up_in_time(tmp_path: Path) -> None:
    with Server(plan(tmp_path, warm=600, healthy_seconds=6)) as server:
        with pytest.raises(NeverHealthyError, match=r"^not healthy after 6 s \(/health says 503\)"):
            server.wait_healthy()
        members = server.members()
    assert members == 2
    assert living(server) == []


def test_a_term_that_hangs_while_warming_up_ends_in_a_kill(tmp_path: Path) -> None:
    with Server(plan(tmp_path, warm=600, on_term="hang", stop_seconds=1)) as server:
        listening(server)
        stopped = server.stop()
    assert (stopped.status, stopped.killed) == (-signal.SIGKILL, True)
    assert living(server) == []


def test_a_server_that_hangs_on_term_with_a_request_in_flight_is_killed(tmp_path: Path) -> None:
    with Server(plan(tmp_path, on_term="hang", stop_seconds=1)) as server:
        server.wait_healthy()
        assert server.stop().killed
    assert living(server) == []


def test_orphans_after_the_leaders_end_are_named_and_killed(tmp_path: Path) -> None:
    with Server(plan(tmp_path, on_term="orphans", children=2, gone_seconds=1)) as server:
        server.wait_healthy()
        with pytest.raises(LeftBehindError, match=r"^still alive 1 s after the stop: python.*, python"):
            server.stop()
    assert living(server) == []


def test_a_child_in_a_session_of_its_own_is_still_found(tmp_path: Path) -> None:
    with Server(plan(tmp_path, children=2)) as server:
        server.wait_healthy()
        sessions = {one.session for one in living(server)}
        assert len(sessions) == 2
    assert living(server) == []


def test_a_taken_port_is_refused_before_the_start(tmp_path: Path) -> None:
    made = plan(tmp_path)
    with (
        socket.create_server(("127.0.0.1", made.port)),
        pytest.raises(PortTakenError, match=rf"^port {made.port} is taken by another process"),
    ):
        Server(made)
    assert not made.log.exists()


def test_a_port_taken_behind_our_back_is_seen_in_the_log_at_once(tmp_path: Path) -> None:
    go = tmp_path / "go"
    made = plan(tmp_path, refuse_until=str(go))
    with Server(made) as server, socket.create_server(("127.0.0.1", made.port)):
        go.touch()
        with pytest.raises(PortTakenError, match=r"found port \d+ taken, and hangs.*Errno 98"):
            server.wait_healthy()
    assert living(server) == []


def test_a_missing_model_is_reported_with_status_and_cause(tmp_path: Path) -> None:
    with (
        Server(plan(tmp_path, exit=1)) as server,
        pytest.raises(ServerDiedError, match=r"by itself with status 1; .*OSError: no such model"),
    ):
        server.wait_healthy()


def test_a_scheduler_that_raises_at_start_is_reported_with_its_words(tmp_path: Path) -> None:
    with (
        Server(plan(tmp_path, **{"raise": True})) as server,
        pytest.raises(ServerDiedError, match=r"status -9; .*RuntimeError: no kernel"),
    ):
        server.wait_healthy()


def test_a_leader_that_is_killed_takes_the_check_down_with_its_cause(tmp_path: Path) -> None:
    with Server(plan(tmp_path)) as server:
        server.wait_healthy()
        os.kill(server.family.leader, signal.SIGKILL)
        with pytest.raises(ServerDiedError, match=r"status -9"):
            server.watched(lambda: time.sleep(60), 60)
    assert living(server) == []


def test_a_leader_that_ends_just_before_it_is_asked_to_is_told_with_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(replace(plan(tmp_path), words=["sh", "-c", "exit 3"])) as server:
        while server.lives:
            time.sleep(0.05)
        monkeypatch.setattr(Server, "check_alive", lambda _server: None)
        with pytest.raises(ServerDiedError, match="ended with status 3"):
            server.stop()


def test_a_dead_scheduler_behind_a_live_leader_is_diagnosed(tmp_path: Path) -> None:
    with Server(plan(tmp_path, scheduler="dead", healthy_seconds=6)) as server:
        with pytest.raises(NeverHealthyError):
            server.wait_healthy()
        failed = server_check._run("greedy", server_check._greedy, client(server, seconds=1))  # noqa: SLF001 - one check
    assert failed.evidence.endswith("/health says 503: the scheduler is dead though the leader lives")


def test_a_server_that_dies_after_the_first_request_stops_the_checks(tmp_path: Path) -> None:
    with Server(plan(tmp_path, die_after=1)) as server:
        server.wait_healthy()
        checks = server_check.run_checks(client(server))
    assert outcome(checks)["greedy-twice"].startswith("the server ended by itself with status -9")
    assert "as-reference" not in {one.name for one in checks}


def test_garbage_fails_every_check_that_reads_an_answer(tmp_path: Path) -> None:
    with Server(plan(tmp_path, garbage=True)) as server:
        server.wait_healthy()
        failed = outcome(server_check.run_checks(client(server)))
    assert {"models", "greedy-twice", "chat"} <= set(failed)


def test_greedy_tokens_that_drift_are_a_failure(tmp_path: Path) -> None:
    with Server(plan(tmp_path, drift=True)) as server:
        server.wait_healthy()
        failed = outcome(server_check.run_checks(client(server)))
    assert failed["greedy-twice"].startswith("greedy tokens differ between two requests")


def test_tokens_other_than_the_references_are_a_failure(tmp_path: Path) -> None:
    with Server(plan(tmp_path)) as server:
        server.wait_healthy()
        asked = server_check.Client(
            server=server,
            key="verify-key",
            seconds=10,
            model="tiny",
            context_length=512,
            expected=lambda: [1, 2],
        )
        assert "as-reference" in outcome(server_check.run_checks(asked))


def test_a_server_that_asks_for_no_key_is_a_failure(tmp_path: Path) -> None:
    with Server(plan(tmp_path, key="")) as server:
        server.wait_healthy()
        failed = outcome(server_check.run_checks(client(server)))
    assert failed["api-key"].startswith("a request without the key: status 200, not 401")


def test_leaving_the_context_early_leaves_no_process_and_a_free_port(tmp_path: Path) -> None:
    made = plan(tmp_path, on_term="hang", children=3)
    with Server(made) as server:
        server.wait_healthy()
    assert living(server) == []
    assert port_is_free(made.port)


def test_a_server_that_prints_without_end_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "LONGEST_OUTPUT", 1 << 20)
    talker = "while True: print('no error line of a driver ' * 100)"
    talking = replace(plan(tmp_path), words=[sys.executable, "-I", "-c", talker])
    with Server(talking) as server, pytest.raises(ServerDiedError) as told:
        server.wait_healthy()
    assert str(told.value).startswith(
        "the server printed more than 1 MiB and was killed; its log ends with: "
    )
    assert living(server) == []
