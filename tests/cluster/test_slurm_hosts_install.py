"""A bundle on the nodes of a Slurm of several hosts: each has its own `/tmp` and `/opt`, and one of them fails."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_hosts import LOGIN, SlurmHosts, no_hosts, slurm_hosts
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.folder.signing import generate_key

SCRIPT = Path(__file__).parents[2] / "deploy/slurm/install.sh"
DIGEST = hashlib.sha256(build_installer()).hexdigest()
PREFIX = "/opt/sglang-npu"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(no_hosts()), reason=no_hosts())]


@pytest.fixture(scope="module")
def site() -> Iterator[SlurmHosts]:
    with slurm_hosts() as made:
        yield made


def receipts(site: SlurmHosts) -> dict[str, dict[str, object]]:
    """Return the answer of each host that gave one."""
    rows = {path.stem: path.read_text() for path in site.shared.glob("receipts/*.json")}
    return {name: json.loads(text) for name, text in rows.items() if text}


def test_hosts_install_on_their_own_opt_and_one_that_fails_stops_no_other(
    tmp_path: Path, site: SlurmHosts
) -> None:
    key = generate_key(tmp_path / "key")
    house = SmallWheelhouse(serial=1).write(tmp_path / "house")
    made = bundle_command(
        house, out=site.shared / "b.tar", sign_key=key.path, serial=1, allow_incomplete=True
    )
    words = ("salloc", "--nodes=2", SCRIPT, made.paths[0], PREFIX, key.fingerprint, DIGEST)
    environ = {"SGLANG_NPU_PYTHON": sys.executable}
    before = {name: site.on(name, "ls", "/tmp").split() for name in ("n1", "n2")}  # noqa: S108 - the host's own
    site.on("n2", "mount", "-o", "remount,ro", "/opt")
    failed = site(*words, cwd=site.shared, env=environ)
    assert failed.returncode != 0
    assert {name: row["changed"] for name, row in receipts(site).items() if "changed" in row} == {"n1": True}
    told = (site.shared / "receipts/n2.log").read_text()
    assert "/opt" in told, told
    assert "error" in receipts(site)["n2"], receipts(site)
    site.on("n2", "mount", "-o", "remount,rw", "/opt")
    done = site(*words, cwd=site.shared, env=environ)
    assert done.returncode == 0, done.stderr
    assert {name: row["changed"] for name, row in receipts(site).items()} == {"n1": False, "n2": True}
    assert not site.on(LOGIN, "ls", "/opt")
    ran = site("srun", "--nodes=2", "--ntasks-per-node=1", f"{PREFIX}/run", "python", "-c", "print(1)")
    assert (ran.returncode, ran.stdout) == (0, "1\n1\n"), ran.stderr
    for name, there in before.items():
        assert site.on(name, "ls", "/tmp").split() == there  # noqa: S108
