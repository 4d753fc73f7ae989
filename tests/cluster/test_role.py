"""The role's own tasks on this host, by ansible-playbook: what a later play gets of the environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cann_tree import CannTree
from small_wheelhouse import CELL, SmallWheelhouse

from ascend_wheelhouse.bundle.command import bundle_command

DEPLOY = Path(__file__).parents[2] / "deploy"
PLAYBOOK = shutil.which("ansible-playbook") or os.environ.get("ANSIBLE_PLAYBOOK", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PLAYBOOK, reason="ansible-playbook is not installed: nox -s cluster"),
]


def play(folder: Path, tasks: list[object], variables: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Run tasks on this host by ansible-playbook."""
    described = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    given = {"ansible_python_interpreter": sys.executable, **variables}
    (folder / "play.json").write_text(json.dumps([described]), encoding="utf-8")
    words = [PLAYBOOK, str(folder / "play.json"), "-i", "localhost,", "-e", json.dumps(given)]
    return subprocess.run(words, cwd=DEPLOY, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("program", "asked", "smoke"),
    [("true", "true", "passed"), ("false", "true", "failed"), ("true", "false", "not run")],
)
def test_the_report_tells_whether_the_probes_passed_failed_or_were_not_run(
    tmp_path: Path, program: str, asked: str, smoke: str
) -> None:
    probes = {
        "ascend_wheelhouse.cluster.run": {"argv": [program]},
        "register": "sglang_npu_probed",
        "failed_when": False,
        "when": asked,
    }
    report = {"ansible.builtin.include_role": {"name": "ascend_wheelhouse.cluster.report"}}
    variables: dict[str, object] = {"sglang_npu_hosts": "all", "sglang_npu_report": str(tmp_path / "report")}
    done = play(tmp_path, [probes, report], variables)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    assert row["smoke"] == smoke


def test_a_later_play_runs_with_the_environment_of_the_cann_that_the_cell_names(tmp_path: Path) -> None:
    tree = CannTree(root=tmp_path / "Ascend")
    tree.root.mkdir()
    tree.toolkit("8.5.0")
    tree.toolkit("8.3.RC2")
    house = SmallWheelhouse(cell={**CELL, "cann": "8.3.RC2"}, serial=1).write(tmp_path / "house")
    installer = tmp_path / "cache/installer/install.py"
    installer.parent.mkdir(parents=True)
    shutil.copy(house / "install.py", installer)
    bundle = bundle_command(house, out=tmp_path / "cache/b.tar", serial=1, allow_incomplete=True).paths[0]
    variables: dict[str, object] = {
        "sglang_npu_bundle": [str(bundle)],
        "sglang_npu_cache": str(tmp_path / "cache"),
        "sglang_npu_insecure_no_signature": True,
        "sglang_npu_prefix": str(tmp_path / "npu"),
        "sglang_npu_python": sys.executable,
        "sglang_npu_ascend": str(tree.root),
        "sglang_npu_smoke": True,
        "sglang_npu_smoke_options": ["--only", "imports"],
        "sglang_npu_started": 0,
    }
    written = str(tmp_path / "seen")
    later = {"ansible.builtin.shell": f"env > {written}", "environment": "{{ sglang_npu_environment }}"}
    role = {"name": "ascend_wheelhouse.cluster.sglang_npu", "tasks_from": "install"}
    done = play(tmp_path, [{"ansible.builtin.include_role": role}, later], variables)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = Path(written).read_text(encoding="utf-8").splitlines()
    assert f"ASCEND_HOME_PATH={tree.root}/ascend-toolkit/latest" in seen
    assert "ORDER= toolkit:8.3.RC2" in seen
