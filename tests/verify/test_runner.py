from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from environments import NO_ASCEND, make_environment, manifest, probe, scripted_probe, setting

from ascend_wheelhouse.node import supervise
from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.probes import CATALOGUE, named
from ascend_wheelhouse.node.verify import planning, runner, settings
from ascend_wheelhouse.node.verify.report import Report, Result, read_report, table, tally

A_NODE = cann.Ascend(devices=16, toolkit="/usr/local/Ascend/ascend-toolkit/latest", scripts=())
EVERYTHING = dict.fromkeys(
    (
        *("sglang", "torch", "torchvision", "torch-npu", "triton-ascend", "mf-adapter"),
        *("deep-ep", "sgl-kernel-npu", "custom-ops"),
    ),
    "1",
)


def planned(
    tmp_path: Path, options: settings.VerifyOptions | None = None, ascend: cann.Ascend = NO_ASCEND
) -> list[str]:
    made = setting(tmp_path / "e", tmp_path / "run", manifest(EVERYTHING), options, ascend=ascend)
    return [one.name for one in planning.plan(made)]


def serving(tmp_path: Path, table: dict[str, object], ascend: cann.Ascend = NO_ASCEND) -> settings.Setting:
    """Return the setting of a wheelhouse whose manifest has that `serving`, with stand-in modules given."""
    told = {**manifest(EVERYTHING), "serving": table}
    options = settings.VerifyOptions(standins="/standins", stubs="/stubs")
    return setting(tmp_path / "e", tmp_path / "run", told, options, ascend=ascend)


def test_the_modules_of_serving_are_imported_where_the_stack_names_some(tmp_path: Path) -> None:
    named_ones = serving(tmp_path, {"imports": ["vllm"]})
    assert "serving-imports" in {one.name for one in planning.plan(named_ones)}
    assert "serving-imports" not in planned(tmp_path)


def test_stand_in_modules_are_for_stacks_that_serve_with_them_and_for_no_node(tmp_path: Path) -> None:
    """They hold a `vllm` for SGLang, which would be laid over the real one of another application."""
    assert serving(tmp_path, {}).standins == "/standins"
    assert serving(tmp_path, {}, A_NODE).standins == ""
    other = serving(tmp_path, {"imports": ["vllm"], "standins": False})
    assert other.standins == ""
    assert planning.obstacle(named("serving-imports"), other) == ""


def test_every_probe_of_the_catalogue_has_a_module() -> None:
    folder = settings.NODE / "probes"
    assert [one.name for one in CATALOGUE if not (folder / f"{one.module}.py").is_file()] == []


def test_a_machine_without_npu_is_told_what_each_skipped_probe_needs(tmp_path: Path) -> None:
    made = setting(tmp_path / "e", tmp_path / "run", manifest(EVERYTHING))
    reasons = {one.name: planning.obstacle(one, made) for one in planning.plan(made)}
    skipped = {name for name, reason in reasons.items() if reason}
    assert {one.name for one in CATALOGUE if one.on_device or "cann" in one.markers} <= skipped
    assert all(any(word in reasons[name] for word in ("run ", "install ")) for name in skipped)


def test_a_node_is_not_asked_what_only_a_machine_without_cann_can_say(tmp_path: Path) -> None:
    names = planned(tmp_path, ascend=A_NODE)
    assert {"torch-npu-no-cann", "torch-npu-stubs"} & set(names) == set()
    assert {"npu-graph", "hccl-all-reduce", "deep-ep", "server"} <= set(names)


def test_nothing_stands_in_a_nodes_way(tmp_path: Path) -> None:
    made = setting(tmp_path / "e", tmp_path / "run", manifest(EVERYTHING), ascend=A_NODE)
    assert {one.name for one in planning.plan(made) if planning.obstacle(one, made)} == set()


def test_components_that_the_wheelhouse_does_not_know_are_not_planned(tmp_path: Path) -> None:
    made = setting(tmp_path / "e", tmp_path / "run", manifest({"torch": "1"}))
    assert {"deep-ep", "custom-ops", "server", "memfabric"} & {
        one.name for one in planning.plan(made)
    } == set()


def test_a_pending_component_is_skipped_with_the_command_that_supplies_it(tmp_path: Path) -> None:
    pending = [{"component": "deep-ep", "reason": "GitHub does not answer", "supply": "invoke vendor FILE"}]
    made = setting(tmp_path / "e", tmp_path / "run", manifest({"torch": "1"}, pending=pending), ascend=A_NODE)
    assert planning.obstacle(named("deep-ep"), made) == (
        "deep-ep is pending in this wheelhouse (GitHub does not answer): invoke vendor FILE"
    )


def test_requiring_an_npu_where_there_is_none_fails_at_once(tmp_path: Path) -> None:
    report = runner.run_probes(
        tmp_path / "no-environment", manifest(EVERYTHING), settings.VerifyOptions(require_npu=True)
    )
    assert report.exit_code == 9
    assert [(one.probe, one.verdict) for one in report.results] == [("npu-present", "failed")]
    assert report.results[0].evidence == cann.NO_NPU


def test_requiring_an_npu_turns_a_skipped_probe_into_a_failure() -> None:
    skipped = Result(probe="npu-smi", verdict="skipped", seconds=0, evidence="npu-smi is not on the path")
    lenient, strict = (
        Report(wheelhouse={}, cell={}, host={}, conditions={"require_npu": strict}, results=(skipped,))
        for strict in (False, True)
    )
    assert (lenient.exit_code, strict.exit_code) == (0, 9)


def test_a_run_without_any_probe_is_no_pass() -> None:
    assert Report(wheelhouse={}, cell={}, host={}, conditions={}, results=()).exit_code == 9


def test_only_and_without_choose_probes(tmp_path: Path) -> None:
    assert planned(tmp_path, settings.VerifyOptions(only=("files", "versions"), without=("files",))) == [
        "versions"
    ]


def test_an_announced_failure_is_known_and_keeps_its_cause(tmp_path: Path) -> None:
    node = scripted_probe(tmp_path, "picky", "raise ProbeFailedError('it is a CUDA build')")
    options = settings.VerifyOptions(known={"picky": "see the stack's notes"})
    made = setting(make_environment(tmp_path / "e"), tmp_path / "run", manifest({}), options, node)
    result = runner.run_probe(probe("picky"), made)
    assert (result.verdict, result.evidence) == (
        "known",
        "announced: see the stack's notes (it is a CUDA build)",
    )


@pytest.mark.parametrize("odd", ["float('nan')", "float('inf')", "chr(0xd800)"])
def test_a_verdict_with_what_json_cannot_say_is_a_verdict_all_the_same(odd: str, tmp_path: Path) -> None:
    body = f"raise ProbeFailedError('wrong on npu:1', figures={{'worst': [{odd}]}})"
    node = scripted_probe(tmp_path, "measurer", body)
    made = setting(make_environment(tmp_path / "e"), tmp_path / "run", manifest({}), node=node)
    result = runner.run_probe(probe("measurer"), made)
    assert (result.verdict, result.evidence) == ("failed", "wrong on npu:1")
    runner.make_report(made, [result]).write(tmp_path / "report.json")
    assert read_report(tmp_path / "report.json").results == (result,)


def test_a_probe_that_prints_without_end_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "LONGEST_OUTPUT", 1 << 20)
    body = "context.doing('talk')\nwhile True:\n    print('a line of a driver ' * 1000)"
    node = scripted_probe(tmp_path, "talker", body)
    made = setting(make_environment(tmp_path / "e"), tmp_path / "run", manifest({}), node=node)
    result = runner.run_probe(probe("talker", seconds=60), made)
    assert (result.verdict, result.evidence) == ("failed", "printed more than 1 MiB while it was at: talk")


def test_two_runs_differ_in_times_and_load_alone(tmp_path: Path) -> None:
    node = scripted_probe(tmp_path, "plain", "return Outcome(evidence='fine', figures={'n': 1})")
    made = setting(make_environment(tmp_path / "e"), tmp_path / "run", manifest({}), node=node)
    first, second = (runner.run_probe(probe("plain"), made) for _ in range(2))
    assert (first.verdict, first.evidence, first.figures["n"]) == (
        second.verdict,
        second.evidence,
        second.figures["n"],
    )


@pytest.mark.parametrize("locale", ["C", "de_DE.UTF-8", "tr_TR.ISO-8859-9"])
def test_no_verdict_depends_on_the_callers_locale_or_home(
    locale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    body = "import os\nreturn Outcome(evidence=os.environ['LC_ALL'] + str(os.environ['HOME'] == '/nowhere'))"
    node = scripted_probe(tmp_path, "teller", body)
    made = setting(make_environment(tmp_path / "e"), tmp_path / "run", manifest({}), node=node)
    assert runner.run_probe(probe("teller"), made).evidence == "C.UTF-8False"


def test_a_probe_sees_nothing_of_our_package(tmp_path: Path) -> None:
    body = (
        "import sys\nreturn Outcome(evidence=str([p for p in sys.path if 'ascend' in p or p in ('', '.')]))"
    )
    node = scripted_probe(tmp_path, "looker", body)
    made = setting(make_environment(tmp_path / "e"), tmp_path / "run", manifest({}), node=node)
    assert runner.run_probe(probe("looker"), made).evidence == "[]"


def test_a_report_survives_the_disk_and_a_foreign_file_is_refused(tmp_path: Path) -> None:
    one = Result(
        probe="files", verdict="passed", seconds=1.5, evidence="fine", figures={"n": 1}, markers=("host",)
    )
    made = Report(wheelhouse={"stack": "s"}, cell={}, host={"name": "n"}, conditions={}, results=(one,))
    made.write(tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == made
    for text in ("[]", '{"schema": 2}', '{"schema": 1}'):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(ValueError, match=r"verify report"):
            read_report(tmp_path / "other.json")


def test_the_table_holds_probe_verdict_time_and_evidence() -> None:
    rows = table(
        [Result(probe="files", verdict="passed", seconds=1.25, evidence="fine\n  and long " * 20)]
    ).splitlines()
    assert rows[0].split() == ["probe", "verdict", "time", "evidence"]
    assert rows[1].startswith("files  passed   1.2 s  fine and long fine")
    assert rows[-1].endswith("...")


def test_the_table_fits_80_columns_and_evidence_goes_on_below_itself() -> None:
    words = "no NPU here (/dev/davinci0 is missing): run this on an Atlas node whose driver is loaded"
    rows = table(
        [Result(probe="sgl-kernel-npu-ops", verdict="skipped", seconds=0, evidence=words)]
    ).splitlines()
    assert max(map(len, rows)) <= 80
    start = rows[0].index("evidence")
    assert " ".join(row[start:] for row in rows[1:]) == words
    assert {row[:start].strip() for row in rows[2:]} == {""}
    words = "the environment holds no pip: install it, or `nox -s verify`"
    assert "`nox -s verify`" in table(
        [Result(probe="requirements", verdict="skipped", seconds=0, evidence=words)]
    )


def test_one_known_failure_is_told_as_one() -> None:
    counts = {"passed": 1, "failed": 0, "skipped": 2}
    assert tally(counts | {"known failures": 1}) == "1 passed, 0 failed, 2 skipped, 1 known failure"
    assert tally(counts | {"known failures": 2}) == "1 passed, 0 failed, 2 skipped, 2 known failures"


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


PROBED = {
    *(
        "custom_ops",
        "packaging",
        "deep_ep",
        "safetensors",
        "sgl_kernel_npu",
        "tokenizers",
        "torch",
        "torch_npu",
        "torchair",
    ),
    *("torchvision", "transformers"),
}


def test_what_runs_on_a_node_imports_the_standard_library_and_what_is_probed_alone() -> None:
    probes = [settings.NODE / "serving" / "tiny_model.py", *(settings.NODE / "probes").glob("*.py")]
    for path in settings.NODE.rglob("*.py"):
        allowed = set(sys.stdlib_module_names) | (PROBED if path in probes else set())
        assert imports_of(path) - allowed - {"node"} == set(), path.name
