"""The software NPU's own packages, installed by `install.py` itself as a customer's are, in both of CANN's layouts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from small_wheelhouse import CELL, SmallWheelhouse, run_installer, seal
from soft_nodes import SOURCES

from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.verify import software_node

pytest_plugins = ["node_fixtures"]
pytestmark = pytest.mark.slow

_ASKING = "import json, os, te; print(json.dumps([te.platform, dict(os.environ)]))"


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("version", "home", "compiler"),
    [
        ("8.3.RC2", "ascend-toolkit/latest", []),
        ("8.5.0", "cann", ["cann-8.5.0/tools/bishengir/bin"]),
    ],
)
def test_payloads_are_installed_and_the_environment_has_what_they_set(
    tmp_path: Path, version: str, home: str, compiler: list[str]
) -> None:
    made = software_node.packages(software_node.Node(sources=SOURCES, cann=version), default_root())
    wheelhouse = SmallWheelhouse(cell={**CELL, "cann": version, "npu": "a3"})
    house = wheelhouse.write(tmp_path / "house")
    (house / "payloads").mkdir()
    for package in made.glob("*.run"):
        (house / "payloads" / package.name).write_bytes(package.read_bytes())
    seal(house, wheelhouse.head())
    ascend, prefix = tmp_path / "Ascend", tmp_path / "npu"

    answer = run_installer(
        house, "--insecure-no-signature", "--payloads", "--ascend", ascend, "--prefix", prefix
    )
    assert answer.status == 0, answer.talk

    done = subprocess.run(
        [prefix / "run", "python", "-P", "-c", _ASKING],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("ASCEND")},
        capture_output=True,
        text=True,
        check=True,
    )
    platform, variables = json.loads(done.stdout)
    assert platform == "software NPU"
    assert variables["ASCEND_HOME_PATH"] == f"{ascend}/{home}"
    assert variables["ATB_HOME_PATH"] == f"{ascend}/nnal/atb/latest/atb/cxx_abi_1"
    assert [entry for entry in variables["PATH"].split(":") if "bishengir" in entry] == [
        f"{ascend}/{entry}" for entry in compiler
    ]
    assert variables["PYTHONPATH"].split(":") == [
        f"{ascend}/{home}/python/site-packages",
        f"{ascend}/{home}/opp/built-in/op_impl/ai_core/tbe",
    ]
