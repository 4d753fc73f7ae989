"""A bundle on the nodes of a Slurm that runs: by `sbcast` and `srun`, on two nodes with disks of their own."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_rig import Slurm, missing, slurm
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.folder.signing import generate_key

SCRIPT = Path(__file__).parents[2] / "deploy/slurm/install.sh"
DIGEST = hashlib.sha256(build_installer()).hexdigest()
NODES = ("n1", "n2")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture(scope="module")
def queue() -> Iterator[Slurm]:
    """Give a Slurm of two nodes."""
    with slurm(NODES) as made:
        yield made


def test_every_node_of_an_allocation_installs_on_its_own_disk(tmp_path: Path, queue: Slurm) -> None:
    key = generate_key(tmp_path / "key")
    house = SmallWheelhouse(serial=1).write(tmp_path / "house")
    made = bundle_command(house, out=tmp_path / "b.tar", sign_key=key.path, serial=1, allow_incomplete=True)
    words = ("salloc", "--nodes=2", SCRIPT, made.paths[0], queue.own / "npu", key.fingerprint)
    environ = {"TMPDIR": str(queue.own), "SGLANG_NPU_PYTHON": sys.executable}
    for changed in (True, False):
        done = queue(*words, DIGEST, cwd=tmp_path, env=environ)
        assert done.returncode == 0, done.stderr
        receipts = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("receipts/*.json")}
        assert {name: receipt["changed"] for name, receipt in receipts.items()} == dict.fromkeys(
            NODES, changed
        )
    assert not (queue.own / "npu").exists()  # this host's own folder is another one
    ran = queue("srun", "--nodes=2", "--ntasks-per-node=1", queue.own / "npu/run", "python", "-c", "print(1)")
    assert (ran.returncode, ran.stdout) == (0, "1\n1\n"), ran.stderr
    refused = queue(*words, "0" * 64, cwd=tmp_path, env=environ)
    assert refused.returncode == 5
    told = json.loads((tmp_path / "receipts/n1.json").read_text())
    assert (told["exit_code"], told["error"]) == (5, "WrongInstallerError")
    assert "install.py: FAILED" in (tmp_path / "receipts/n1.log").read_text()
    bare = queue(*words, DIGEST, cwd=tmp_path, env={**environ, "SGLANG_NPU_PYTHON": "python3.99"})
    assert bare.returncode == 10
    assert "This node has no python3.99." in (tmp_path / "receipts/n1.log").read_text()


def test_a_bundle_that_lies_where_its_copies_go_is_still_there_afterwards(
    tmp_path: Path, queue: Slurm
) -> None:
    key = generate_key(tmp_path / "key")
    house = SmallWheelhouse(serial=1).write(tmp_path / "house")
    made = bundle_command(house, out=tmp_path / "b.tar", sign_key=key.path, serial=1, allow_incomplete=True)
    words = ("salloc", "--nodes=1", SCRIPT, made.paths[0], queue.own / "kept", key.fingerprint, DIGEST)
    environ = {"TMPDIR": str(tmp_path), "SGLANG_NPU_PYTHON": sys.executable}
    done = queue(*words, cwd=tmp_path, env=environ)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("*.tar")] == ["b.tar"]
