"""A cluster of network namespaces with a bundle that the playbook installs on it, as an operator does."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from namespaces import Cluster, cluster
from small_wheelhouse import SmallWheelhouse, package

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.folder.signing import Signer, generate_key

DEPLOY = Path(__file__).parents[2] / "deploy"
DIGEST = hashlib.sha256(build_installer()).hexdigest()
PLAYBOOK = shutil.which("ansible-playbook") or os.environ.get("ANSIBLE_PLAYBOOK", "")
NEEDED = [
    pytest.mark.slow,
    pytest.mark.skipif(not PLAYBOOK, reason="ansible-playbook is not installed: nox -s cluster"),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not Path("/usr/sbin/sshd").exists(), reason="openssh-server is not installed"),
]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of the playbook: its exit code, what it said, and the recap by node."""

    status: int
    text: str

    def count(self, node: str, name: str) -> int:
        """Return a figure of the recap, such as `changed`."""
        line = next(line for line in self.text.splitlines() if line.startswith(f"{node} ") and " : " in line)
        return int(re.findall(rf"{name}=(\d+)", line)[0])


@dataclass(frozen=True, kw_only=True)
class Site:
    """A cluster, and what the playbook installs on it."""

    cluster: Cluster
    folder: Path
    bundles: Sequence[Path]
    key: Signer

    @property
    def size(self) -> int:
        """How many bytes the bundle has."""
        return sum(path.stat().st_size for path in self.bundles)

    def start(self, installers: Mapping[str, str] | None = None, **more: object) -> subprocess.Popen[bytes]:
        """Start the playbook from the control host.

        Args:
            installers: Digests that are expected in place of ours, by node.
            more: Further variables of the playbook.
        """
        options = " ".join(self.cluster.ssh_options())
        variables = {
            "sglang_npu_bundle": [str(path) for path in self.bundles],
            "sglang_npu_trusted_key": self.key.fingerprint,
            "sglang_npu_python": sys.executable,
            "sglang_npu_prefix": str(self.folder / "{{ inventory_hostname }}/npu"),
            "sglang_npu_cache": str(self.folder / "{{ inventory_hostname }}/cache"),
            "sglang_npu_patience": 60,
            "sglang_npu_report": str(self.folder / "report"),
            "ansible_ssh_common_args": options,
            "ansible_user": "root",
            **more,
        }
        command: list[str | Path] = [
            PLAYBOOK,
            "-i",
            self._inventory(installers or {}),
            "-e",
            json.dumps(variables),
        ]
        playbook = "ascend_wheelhouse.cluster.install"
        settings = {"ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
        with self.log.open("w") as log:
            return subprocess.Popen(
                self.cluster.command("control", *command, playbook),
                cwd=DEPLOY,
                env=os.environ | settings | {"ANSIBLE_CONFIG": str(self._settings())},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> Path:
        """What the playbook says."""
        return self.folder / "play.log"

    def _settings(self) -> Path:
        """Return the shipped settings, but with a shorter patience for nodes that went away."""
        text = (
            (DEPLOY / "ansible.cfg")
            .read_text()
            .replace("collections_path = .", f"collections_path = {DEPLOY}")
        )
        path = self.folder / "ansible.cfg"
        path.write_text(text.replace("ServerAliveInterval=5", "ServerAliveInterval=2"))
        return path

    def _inventory(self, installers: Mapping[str, str]) -> Path:
        path = self.folder / "inventory.json"
        hosts = {
            name: {
                "ansible_host": self.cluster.address(name),
                "ansible_python_interpreter": sys.executable,
                "sglang_npu_installer": installers.get(name, DIGEST),
            }
            for name in self.cluster.nodes
        }
        path.write_text(json.dumps({"npu": {"hosts": hosts}}))
        return path

    def finish(self, process: subprocess.Popen[bytes]) -> Run:
        """Wait for the playbook's end."""
        process.wait(timeout=200)
        return Run(status=process.returncode, text=self.log.read_text())

    def wait_for(self, path: Path, process: subprocess.Popen[bytes]) -> None:
        """Wait until a file has come in the course of a run."""
        for _ in range(900):
            if path.exists() and path.stat().st_size:
                return
            assert process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        process.kill()
        process.wait()
        pytest.fail(f"{path} never came\n{self.log.read_text()}")

    def report(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the report by node."""
        rows = json.loads((self.folder / "report/report.json").read_text())
        return {row["node"]: row for row in rows}


@contextmanager
def making_site(folder: Path, *, nodes: int, size: int, split: int | None = None) -> Iterator[Site]:
    """Make a cluster, and a bundle of about that many bytes, in one file or in parts of `split` bytes."""
    key = generate_key(folder / "signing")
    noise = random.Random(1).randbytes(size // 2).hex()  # noqa: S311 - filler
    wheels = [package("alpha"), package("filler", "1.0", data__txt=noise)]
    house = SmallWheelhouse(wheels=wheels, serial=1).write(folder / "house")
    result = bundle_command(
        house, out=folder / "bundle.tar", sign_key=key.path, serial=1, split=split, allow_incomplete=True
    )
    shutil.rmtree(house)
    with cluster(folder, nodes) as made:
        yield Site(cluster=made, folder=folder, bundles=result.paths, key=key)


def states(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the state of each node of a report."""
    return {node: str(row["state"]) for node, row in rows.items()}
