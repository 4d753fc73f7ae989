from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from node_faults import FAULTS, Fault
from soft_nodes import CELL, SOURCES, Workshop

from ascend_wheelhouse.node.host import cann, software
from ascend_wheelhouse.node.probes import CATALOGUE
from ascend_wheelhouse.node.verify.report import Report, Result, read_report
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.verify import page, software_node

pytest_plugins = ["node_fixtures"]

long = pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="minutes: nox -s software")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "verify.md"


def a_report(**conditions: object) -> Report:
    result = Result(probe="npu-devices", verdict="passed", seconds=1.0, evidence="16 devices")
    wheelhouse = {"stack": "small", "platform": "x86_64", "digest": "00"}
    return Report(
        wheelhouse=wheelhouse, cell=CELL, host={"name": "n"}, conditions=conditions, results=(result,)
    )


def test_device_files_that_no_driver_made_tell_a_software_node(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    assert software.sign(root=tmp_path) == ""
    (tmp_path / "dev" / "davinci0").write_text("", encoding="ascii")
    assert software.sign(root=tmp_path) == "/dev/davinci0 is no device of a driver"


def test_device_files_of_a_driver_tell_nothing(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "davinci0").symlink_to("/dev/null")
    assert software.sign(root=tmp_path) == ""


def test_the_driver_of_a_software_node_says_so(tmp_path: Path) -> None:
    version = tmp_path / "usr/local/Ascend/driver/version.info"
    version.parent.mkdir(parents=True)
    version.write_text("Version=25.2.0\n", encoding="ascii")
    assert software.sign(root=tmp_path) == ""
    version.write_text("Version=25.2.0\nPlatform=software NPU\n", encoding="ascii")
    assert software.sign(root=tmp_path) == f"{version} says so itself"


def test_a_report_of_a_software_node_says_so_first_and_is_refused_as_evidence(tmp_path: Path) -> None:
    report = a_report(software_npu="/dev/davinci0 is no device of a driver")
    report.write(tmp_path / "report.json")
    kept = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert kept["evidence"].startswith("software NPU: ")
    assert kept["evidence"] in html.unescape(page.render([read_report(tmp_path / "report.json")]))
    assert (report.exit_code, a_report(require_npu=True).exit_code) == (0, 0)
    assert a_report(require_npu=True, software_npu="it says so").exit_code == 9


def test_a_probe_that_saw_the_software_npu_in_its_own_process_marks_the_report() -> None:
    report = a_report()
    seen = replace(report.results[0], markers=("npu", software.WORDS))
    assert (report.software, replace(report, results=(seen,)).software) == (False, True)


def test_a_report_of_several_nodes_names_the_software_one() -> None:
    told = page.render([a_report(), a_report(software_npu="it says so")])
    assert re.search(r'role="alert">software NPU: [^<]*\(n \(x86_64, software NPU\)\)', told)


def test_at_least_twenty_five_faults_are_known_each_by_its_own_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 25


def test_the_document_tells_of_each_probe_whether_it_runs_and_which_faults_it_catches() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    asks = [probe for probe in CATALOGUE if probe.on_device or probe.hardware or "cann" in probe.markers]
    assert set(rows) == {probe.name for probe in asks}
    for probe in asks:
        caught = ", ".join(fault.name for fault in FAULTS if fault.probe == probe.name)
        runs = f"no: {probe.hardware}" if probe.hardware else "yes"
        assert rows[probe.name] == f"{runs} | {caught}", probe.name


@long
def test_the_libraries_say_what_they_are_and_refuse_by_name_what_they_lack(
    packages: Path, installed: Path
) -> None:
    assert packages.is_dir()
    folder = installed / "Ascend" / "cann" / "lib64"
    assert software.marked(folder / "libascendcl.so")
    assert cann.Ascend(devices=1, toolkit="", scripts=(), software="it says so").real is False
    asking = (
        "import ctypes, sys; cl = ctypes.CDLL(sys.argv[1] + '/libascendcl.so');"
        "gaps = ctypes.CDLL(sys.argv[1] + '/libsoftware_npu_gaps.so'); cl.aclGetRecentErrMsg.restype = ctypes.c_char_p;"
        "print(gaps.aclrtMemExportToShareableHandle(), cl.aclGetRecentErrMsg().decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", asking, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(
        "200006 EE9999: [software NPU] aclrtMemExportToShareableHandle is not part of"
    )


@long
@pytest.mark.skipif(shutil.which("makeself") is None, reason="makeself is not installed")
@pytest.mark.parametrize(
    ("version", "script"), [("8.3.RC2", "ascend-toolkit/set_env.sh"), ("8.5.0", "cann/set_env.sh")]
)
def test_the_packages_install_in_the_layout_of_their_version(
    version: str, script: str, tmp_path: Path
) -> None:
    made = software_node.packages(software_node.Node(sources=SOURCES, cann=version), default_root())
    assert [name.split("_")[1] for name in software_node.install(made, tmp_path / "Ascend")] == [
        version,
        version,
    ]
    root = tmp_path / "Ascend"
    asking = f'. "{root}/{script}"; . "{root}/nnal/atb/set_env.sh"; ls "$ASCEND_HOME_PATH"/*/*.info'
    done = subprocess.run(["bash", "-c", asking], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("-linux/ascend_toolkit_install.info\n")
    assert (tmp_path / "Ascend/nnal/atb/latest/version.info").is_file()


@long
def test_each_device_has_on_the_bus_what_the_host_and_gloo_read_of_it(installed: Path) -> None:
    """Gloo, which SGLang meets its own processes by, opens `class` of every PCI device and fails without it."""
    asking = "cat /sys/bus/pci/devices/*/vendor /sys/bus/pci/devices/*/device /sys/bus/pci/devices/*/class"
    words = software_node.entering(software_node.Node(sources=SOURCES), installed, ["sh", "-c", asking])
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert sorted(set(done.stdout.split())) == ["0x120000", "0x19e5", "0xd803"]


@long
@pytest.mark.network
def test_a_software_node_is_refused_where_an_npu_is_required(workshop: Workshop, tmp_path: Path) -> None:
    told = workshop.run(Fault(name="none", probe="npu-devices", told=""), tmp_path, require_npu=True)
    assert (told["result"]["probe"], told["result"]["verdict"], told["exit_code"]) == (
        "npu-present",
        "failed",
        9,
    )
    assert re.match(
        r"a software NPU \(/dev/davinci0 is no device of a driver\) is no NPU", told["result"]["evidence"]
    )
