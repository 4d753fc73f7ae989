"""The playbook with nodes that fail, and with variables that cannot be used: two nodes, this host and nobody."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.signing import generate_key

DEPLOY = Path(__file__).parents[2] / "deploy"
PLAYBOOK = shutil.which("ansible-playbook") or os.environ.get("ANSIBLE_PLAYBOOK", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PLAYBOOK, reason="ansible-playbook is not installed: nox -s cluster"),
]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A signed bundle, and the two nodes that it is for: `here` is this host, `away` has no sshd."""

    folder: Path
    bundle: Path
    key: str

    def run(self, **variables: object) -> subprocess.CompletedProcess[str]:
        """Run the playbook as documented, with further variables."""
        given = {
            "sglang_npu_bundle": [str(self.bundle)],
            "sglang_npu_trusted_key": self.key,
            "sglang_npu_report": str(self.folder / "report"),
            "sglang_npu_doctor": False,
            "sglang_npu_patience": 60,
            **variables,
        }
        command = [PLAYBOOK, "ascend_wheelhouse.cluster.install", "-i", str(self.folder / "inventory.json")]
        settings = {"ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [*command, "-e", json.dumps(given)],
            cwd=DEPLOY,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )

    def report(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the report by node."""
        rows = json.loads((self.folder / "report/report.json").read_text(encoding="utf-8"))
        return {row["node"]: row for row in rows}

    def states(self) -> dict[str, str]:
        """Return the state of each node of the report."""
        return {node: row["state"] for node, row in self.report().items()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    key = generate_key(tmp_path / "key")
    house = SmallWheelhouse(serial=1).write(tmp_path / "house")
    made = bundle_command(house, out=tmp_path / "b.tar", sign_key=key.path, serial=1, allow_incomplete=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    hosts = {
        "here": {"ansible_connection": "local"},
        "away": {"ansible_host": "127.0.0.1", "ansible_port": 1},
    }
    shared = {
        "ansible_python_interpreter": sys.executable,
        "sglang_npu_python": sys.executable,
        "sglang_npu_prefix": str(tmp_path / "npu"),
        "sglang_npu_cache": str(tmp_path / "cache"),
        "sglang_npu_port": port,
    }
    inventory = {"npu": {"hosts": hosts, "vars": shared}}
    (tmp_path / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    return Place(folder=tmp_path, bundle=made.paths[0], key=key.fingerprint)


def test_a_run_in_which_every_node_fails_stops_the_relays_and_writes_the_report_anew(place: Place) -> None:
    first = place.run()
    assert first.returncode != 0, "one node is away"
    assert place.states() == {"here": "installed", "away": "not reached"}, first.stdout
    second = place.run(sglang_npu_trusted_key="SHA256:" + "A" * 43)
    assert second.returncode != 0
    assert place.states() == {"here": "failed", "away": "not reached"}, second.stdout
    assert "not trusted" in place.report()["here"]["error"]
    assert "Connection refused" in place.report()["away"]["error"]
    assert not (place.folder / "cache/.relay.pid").exists()


def test_a_batch_of_which_every_node_failed_keeps_the_later_ones_as_they_are(place: Place) -> None:
    done = place.run(sglang_npu_serial=1, sglang_npu_trusted_key="SHA256:" + "A" * 43)
    assert done.returncode != 0
    assert place.states() == {"here": "failed", "away": "not tried"}, done.stdout
    assert place.report()["away"]["error"] == "every node of an earlier batch failed"


def test_a_first_batch_that_holds_is_followed_by_the_others(place: Place) -> None:
    done = place.run(sglang_npu_serial=1)
    assert done.returncode != 0, "the second node is away"
    assert place.states() == {"here": "installed", "away": "not reached"}, done.stdout


def test_an_inventory_without_a_node_is_told_in_one_sentence(place: Place) -> None:
    done = place.run(sglang_npu_hosts="nobody")
    assert done.returncode != 0
    assert "The inventory has no host for nobody" in done.stdout
    assert not (place.folder / "report").exists()


def test_a_node_that_was_reached_and_could_not_begin_has_failed_and_the_report_says_why(place: Place) -> None:
    done = place.run(sglang_npu_python="/missing/python3.11")
    assert done.returncode != 0
    assert place.states() == {"here": "failed", "away": "not reached"}, done.stdout
    assert "/missing/python3.11" in place.report()["here"]["error"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sglang_npu_trusted_key": ""}, "No signer is named"),
        ({"sglang_npu_bundle": "/media/b.tar"}, "sglang_npu_bundle is not a list of files."),
        ({"sglang_npu_bundle": []}, "sglang_npu_bundle is not a list of files."),
        ({"sglang_npu_bundle": ["/missing/b.tar"]}, "The control host has no file /missing/b.tar."),
    ],
    ids=["key", "string", "empty", "missing"],
)
def test_what_cannot_be_used_is_refused_in_one_sentence_before_a_node_is_asked(
    place: Place, given: dict[str, object], said: str
) -> None:
    done = place.run(**given)
    assert done.returncode != 0
    assert place.states() == {"here": "failed", "away": "failed"}, done.stdout
    assert said in place.report()["here"]["error"]
    assert not (place.folder / "cache").exists()
