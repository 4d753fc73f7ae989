"""The whole verification on a software node: its probes have CANN's own Python, and what `activate` sets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_wheelhouse import CELL, SmallWheelhouse

pytest_plugins = ["node_fixtures"]
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TORCH = """\
import glob, os


class npu:
    @staticmethod
    def device_count():
        return sum(1 for path in glob.glob("/dev/davinci*") if path[len("/dev/davinci"):].isdigit())


def compiled_with_cxx11_abi():
    return True
"""
TELL = """\
import json, os
import te
if os.environ.get("USER") == "verify":
    open({path!r}, "w").write(json.dumps([te.platform, dict(os.environ)]))
"""


@pytest.mark.usefixtures("packages")
def test_a_probe_on_a_software_node_imports_canns_own_python(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    wheels = [
        ("torch", "1.0", {"torch/__init__.py": TORCH}),
        ("tell", "1.0", {"tell/__init__.py": TELL.format(path=str(told))}),
    ]
    house = SmallWheelhouse(wheels=wheels, cell={**CELL, "cann": "9.1.0", "npu": "a3"}).write(
        tmp_path / "house"
    )
    words = [sys.executable, "-m", "ascend_wheelhouse.verify", "--wheelhouse", house, "--cann", "software"]
    only = ["--only", "imports", "--only", "cann-versions", "--report", tmp_path / "report"]
    done = subprocess.run(
        list(map(str, [*words, *only])), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    platform, variables = json.loads(told.read_text(encoding="utf-8"))
    assert platform == "software NPU"
    assert variables["ASCEND_HOME_PATH"] == "/usr/local/Ascend/cann"
    assert variables["ATB_HOME_PATH"].startswith("/usr/local/Ascend/nnal/atb/latest/atb/cxx_abi_")
    assert all(entry.startswith("/usr/local/Ascend/cann/") for entry in variables["PYTHONPATH"].split(":"))
