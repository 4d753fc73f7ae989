from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from soft_nodes import Workshop

from ascend_wheelhouse.node.host import cann, node_environment
from ascend_wheelhouse.node.host.symbols import read_object
from ascend_wheelhouse.node.verify import stubs

pytest_plugins = ["node_fixtures"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(
        "WHEELHOUSE_LONG_TESTS" not in os.environ, reason="a quarter of an hour: nox -s software"
    ),
]

SCRIPT = Path(__file__).resolve().parent / "operators.py"


def run(workshop: Workshop, words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command with the variables of the installed toolkit, off any node."""
    home = workshop.installed / "Ascend" / "cann"
    found = cann.Ascend(devices=0, toolkit=str(home), scripts=())
    environment = {**os.environ, **node_environment.compute(found, workshop.environment).variables}
    for folder in ("opp", "runtime", "compiler"):
        assert (home / folder).is_dir()
    environment |= {
        "LD_LIBRARY_PATH": str(home / "lib64"),
        "ASCEND_HOME_PATH": str(home),
        "ASCEND_OPP_PATH": str(home / "opp"),
    }
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def test_torch_npu_computes_on_the_software_npu_what_torch_does_on_the_cpu(workshop: Workshop) -> None:
    done = run(workshop, [str(workshop.environment / "bin" / "python"), str(SCRIPT)])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["cases"] > 200
    assert told["different"] == {}


def test_every_symbol_that_the_published_wheel_leaves_to_cann_is_there(workshop: Workshop) -> None:
    (packages,) = workshop.environment.glob("lib/python3.*/site-packages")
    machine = Path("/lib/x86_64-linux-gnu")
    plan = stubs.plan_stubs(packages, [machine, Path("/usr") / machine.relative_to("/")])
    assert plan is not None
    libraries = list((workshop.installed / "Ascend" / "cann" / "lib64").glob("*.so"))
    offered = set[str]().union(*(read_object(path).defined for path in libraries))
    assert set(plan.functions) - offered == set()
    assert set(plan.sonames) - {path.name for path in libraries} == set()


def test_an_operator_that_is_not_there_ends_in_an_error_that_names_it(workshop: Workshop) -> None:
    asking = (
        "import torch, torch_npu\n"
        "torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3).npu(), torch.ones(1, 1, 2, 2).npu())\n"
        "torch.npu.synchronize()"
    )
    done = run(workshop, [str(workshop.environment / "bin" / "python"), "-c", asking])
    assert done.returncode == 1
    assert "is not part of the software NPU" in done.stderr
    assert "Conv" in done.stderr
