from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from node_faults import FAULTS, Fault
from soft_nodes import Workshop

pytest_plugins = ["node_fixtures"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(
        "WHEELHOUSE_LONG_TESTS" not in os.environ, reason="a quarter of an hour: nox -s software"
    ),
]

CATCHING = sorted({fault.probe for fault in FAULTS})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_each_fault_is_caught_by_its_probe_and_told_with_what_to_do(
    fault: Fault, workshop: Workshop, tmp_path: Path
) -> None:
    told = workshop.run(fault, tmp_path)
    result = told["result"]
    assert (result["verdict"], told["exit_code"]) == (fault.verdict, 9), result
    assert re.search(fault.told, result["evidence"], re.DOTALL), result["evidence"]
    assert "; next: " in result["evidence"]


@pytest.mark.parametrize("probe", CATCHING)
def test_each_probe_passes_on_a_sound_node_and_says_that_it_is_software(
    probe: str, workshop: Workshop, tmp_path: Path
) -> None:
    told = workshop.run(Fault(name="none", probe=probe, told=""), tmp_path)
    assert told["result"]["verdict"] == "passed", told["result"]
    assert "software NPU" in told["result"]["markers"]
    assert told["head"].startswith("software NPU: ")
