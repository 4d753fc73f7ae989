"""Verification on a part of a node's devices, and what of the caller's variables reaches the probes there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from environments import make_environment, manifest, probe, scripted_probe, setting

from ascend_wheelhouse.node.host import cann, host
from ascend_wheelhouse.node.probes import cann_versions, named
from ascend_wheelhouse.node.probes.api import Context, ProbeFailedError
from ascend_wheelhouse.node.verify import planning, runner
from ascend_wheelhouse.node.verify.report import Report, Result
from ascend_wheelhouse.verify import page


@pytest.mark.parametrize(
    ("named_ones", "hidden"),
    [("", 0), ("0", 7), ("4,5,6", 5), ("0,1,2,3,4,5,6,7", 0), ("1, 2,3", 7), ("1,3,8,4", 6), ("x", 8)],
)
def test_what_the_runtime_reads_of_the_visible_devices_is_what_takes_part(
    named_ones: str, hidden: int
) -> None:
    assert cann.hidden(8, {"ASCEND_RT_VISIBLE_DEVICES": named_ones}) == hidden
    assert cann.hidden(8, {}) == 0


def ascend(tmp_path: Path, **more: Any) -> cann.Ascend:  # noqa: ANN401 - any part of it
    return cann.Ascend(**{"devices": 8, "toolkit": str(tmp_path), "scripts": (), **more})


def found(tmp_path: Path, body: str, **more: Any) -> Result:  # noqa: ANN401 - as above
    """Run a probe of this body on a node of eight devices."""
    node = scripted_probe(tmp_path, "scripted", body)
    made = setting(
        make_environment(tmp_path / "e"),
        tmp_path / "run",
        manifest({}),
        node=node,
        ascend=ascend(tmp_path, **more),
    )
    return runner.run_probe(probe("scripted"), made)


def test_probes_are_told_of_the_devices_that_they_see_and_of_those_that_are_there(tmp_path: Path) -> None:
    body = "return Outcome(evidence='', figures={'told': dict(context.options)})"
    told = found(tmp_path, body, hidden=5).figures["told"]
    assert (told["devices"], told["present"]) == (3, 8)
    one = setting(tmp_path / "e", tmp_path / "run", manifest({}), ascend=ascend(tmp_path, hidden=7))
    assert planning.obstacle(named("hccl-all-reduce"), one).startswith("1 NPUs here and this takes two")


def test_a_report_of_some_devices_is_not_one_of_the_node() -> None:
    result = Result(probe="npu-devices", verdict="passed", seconds=1, evidence="", markers=("npu",))
    conditions = {"require_npu": True, "hidden_npus": 5}
    report = Report(wheelhouse={}, cell={}, host={"npus": 8}, conditions=conditions, results=(result,))
    assert (report.exit_code, report.outcome) == (0, "partial (NPUs left out)")
    assert "NPUs left out: 5" in page.render([report])


def test_the_network_card_of_gloo_reaches_what_runs_on_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes of one server meet by Gloo as well as by HCCL (docs/serving.md)."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "bond0")
    body = "import os\nreturn Outcome(evidence=str(os.environ.get('GLOO_SOCKET_IFNAME')))"
    assert found(tmp_path, body).evidence == "bond0"


def test_the_errors_of_canns_own_log_are_kept_with_a_failure(tmp_path: Path) -> None:
    body = (
        "import os\n"
        "from pathlib import Path\n"
        "folder = Path(os.environ['HOME']) / 'ascend/log/debug/plog'\n"
        "folder.mkdir(parents=True)\n"
        "(folder / 'plog-1_2.log').write_text('[INFO] HCCL(1,python):fine\\n[ERROR] HCCL(1,python):no link\\n')\n"
        "raise RuntimeError('HCCL function error')"
    )
    node = scripted_probe(tmp_path, "logged", body)
    made = setting(make_environment(tmp_path / "e"), tmp_path / "run", manifest({}), node=node)
    result = runner.run_probe(probe("logged"), made)
    assert result.detail.endswith("\n\nCANN's log:\n[ERROR] HCCL(1,python):no link")


@pytest.mark.parametrize(
    ("npu", "told"),
    [
        (True, "^cann: found none, wanted >= 8.3.RC2; nnal: found none, wanted >= 8.3.RC2$"),
        (False, ""),
    ],
)
def test_what_is_not_there_matches_no_cell_where_there_are_npus(
    npu: bool,  # noqa: FBT001 - a parameter of a test
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cann_versions, "read_host", lambda **_named: host.read_host(tmp_path))
    cell = {"cann": "8.3.RC2", "npu": "a3"}
    asked = Context(manifest={"cell": cell}, options={"npu": npu}, scratch=tmp_path, doing=lambda _text: None)
    if told:
        with pytest.raises(ProbeFailedError, match=told):
            cann_versions.run(asked)
    else:
        evidence = cann_versions.run(asked).evidence
        assert evidence == "CANN unknown, NNAL unknown, driver unknown, firmware unknown"


def test_a_version_that_cannot_be_read_is_not_taken_for_an_absence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another CANN words differently must not fail a node that serves."""
    for script in ("cann/set_env.sh", "nnal/atb/set_env.sh"):
        place = tmp_path / "usr/local/Ascend" / script
        place.parent.mkdir(parents=True)
        place.write_text("")
    monkeypatch.setattr(cann_versions, "read_host", lambda **_named: host.read_host(tmp_path))
    cell = {"cann": "8.3.RC2", "npu": "a3"}
    asked = Context(
        manifest={"cell": cell}, options={"npu": True}, scratch=tmp_path, doing=lambda _text: None
    )
    assert cann_versions.run(asked).evidence.startswith("CANN unknown, NNAL unknown")
