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
    variables = {
        "ansible_python_interpreter": sys.executable,
        "sglang_npu_bundle": [str(bundle)],
        "sglang_npu_cache": str(tmp_path / "cache"),
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
    probed = {"that": ["sglang_npu_probed.rc == 0"]}
    tasks = [{"ansible.builtin.include_role": role}, later, {"ansible.builtin.assert": probed}]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (tmp_path / "play.json").write_text(json.dumps([play]), encoding="utf-8")
    words = [PLAYBOOK, str(tmp_path / "play.json"), "-i", "localhost,", "-e", json.dumps(variables)]
    done = subprocess.run(words, cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = Path(written).read_text(encoding="utf-8").splitlines()
    assert f"ASCEND_HOME_PATH={tree.root}/ascend-toolkit/latest" in seen
    assert "ORDER= toolkit:8.3.RC2" in seen
