"""Two workers that would have one name: the second is told so, and one that comes back waits for it."""

from __future__ import annotations

import signal
import sys

from farm_rig import Rig, until

pytest_plugins = ["farm_fixtures"]


def _second(rig: Rig, name: str) -> None:
    """Start another worker of a name, its process called `second`."""
    words = (sys.executable, "-m", "invoke", "worker", "--scheduler", rig.address, "--name", name)
    rig.start("second", *words, env={"WHEELHOUSE_STORE": str(rig.store_of("second"))})


def test_a_second_worker_of_one_name_is_told_what_to_do(one_scheduler: Rig) -> None:
    one_scheduler.worker("anna")
    _second(one_scheduler, "anna")
    assert one_scheduler.ended("second") == 2
    said = one_scheduler.log("second")
    assert f"The scheduler at {one_scheduler.address} has a worker called anna already." in said
    assert "--name anna-2" in said


def test_a_worker_whose_name_was_taken_meanwhile_joins_once_it_is_free(one_scheduler: Rig) -> None:
    one_scheduler.worker("anna")
    anna = one_scheduler.running["anna"]
    anna.send_signal(signal.SIGSTOP)
    one_scheduler.kill("scheduler")
    (one_scheduler.folder / "scheduler.log").unlink()
    one_scheduler.scheduler()
    _second(one_scheduler, "anna")
    until(lambda: "builds for" in one_scheduler.log("second"), "the second joined")
    anna.send_signal(signal.SIGCONT)
    until(lambda: "Asking again until that one has left" in one_scheduler.log("anna"), "anna is told")
    one_scheduler.stop("second")
    until(lambda: one_scheduler.log("anna").count("builds for") == 2, "anna joined again")
