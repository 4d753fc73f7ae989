"""The whole command on a software node, with the published torch_npu out of a real wheelhouse."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from soft_nodes import CELL, SOURCES

from ascend_wheelhouse.node.verify.report import Report, read_report
from ascend_wheelhouse.verify import emulation

pytest_plugins = ["node_fixtures"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(
        "WHEELHOUSE_LONG_TESTS" not in os.environ, reason="a quarter of an hour: nox -s software"
    ),
]

ASKED = ("cann-versions", "npu-smi", "npu-devices", "npu-graph")


VERSIONS = {"x86_64": ("2.13.0", "2.13.0"), "aarch64": ("2.8.0", "2.8.0.post2")}
NEEDED = [
    "filelock",
    "fsspec",
    "jinja2",
    "markupsafe",
    "mpmath",
    "networkx",
    "numpy",
    "pyyaml",
    "sympy",
    "typing_extensions",
]


def described(path: Path) -> dict[str, Any]:
    """Return a wheel's entry in the manifest."""
    name, version = path.name.split("-")[:2]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    place = {"path": f"wheels/{path.name}", "sha256": digest, "size": path.stat().st_size, "kind": "wheel"}
    return {**place, "name": name.replace("_", "-").lower(), "version": version, "component": None}


def make_wheelhouse(folder: Path, machine: str) -> Path:
    """Make a wheelhouse of torch and torch_npu; SOFTWARE_NPU_WHEELS names a folder of ready ones for each machine."""
    (folder / "wheels").mkdir()
    ready = Path(os.environ.get("SOFTWARE_NPU_WHEELS", "")) / machine
    if ready.is_dir() and any(ready.glob("torch_npu-*.whl")):
        for path in ready.glob("*.whl"):
            (folder / "wheels" / path.name).symlink_to(path)
    else:
        torch, torch_npu = VERSIONS[machine]
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder / "wheels")]
        foreign = [] if machine == platform.machine() else ["--platform", f"manylinux_2_28_{machine}"]
        binary = ["--only-binary", ":all:", *foreign] if foreign else []
        subprocess.run([*pip, *binary, f"torch=={torch}", f"torch_npu=={torch_npu}", *NEEDED], check=True)
    files = [described(path) for path in sorted((folder / "wheels").glob("*.whl"))]
    lines = [f"{one['name']}=={one['version']} --hash=sha256:{one['sha256']}\n" for one in files]
    (folder / f"requirements.{machine}.txt").write_text("".join(lines), encoding="utf-8")
    manifest = {
        "schema": 1,
        "stack": "torch-npu",
        "platform": machine,
        "files": files,
        "pending": [],
        "cell": CELL,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def wheelhouse(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert packages.is_dir()
    return make_wheelhouse(tmp_path_factory.mktemp("wheelhouse"), "x86_64")


def verify(
    wheelhouse: Path, reports: Path, *more: str, probes: Sequence[str] = ASKED
) -> tuple[subprocess.CompletedProcess[str], Report]:
    """Run the command for a few probes and read its report."""
    words = ["--wheelhouse", str(wheelhouse), "--report", str(reports), "--standins", str(SOURCES.parent)]
    asked = [word for name in probes for word in ("--only", name)]
    command = [sys.executable, "-m", "ascend_wheelhouse.verify", *words, "--cann", "software", *asked, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done, read_report(reports / "report.json")


def test_a_wheelhouse_is_verified_with_payloads_installed_and_says_software_everywhere(
    wheelhouse: Path, tmp_path: Path
) -> None:
    done, report = verify(wheelhouse, tmp_path)
    verdicts = {one.probe: one.verdict for one in report.results}
    assert done.returncode == 0, done.stdout + done.stderr
    installed = {"sealed-install": "passed", "payloads": "passed"}
    assert verdicts == installed | dict.fromkeys(ASKED, "passed") | {"npu-graph": "skipped"}
    graph = next(one for one in report.results if one.probe == "npu-graph")
    assert graph.evidence == "not on a software NPU: it does not capture graphs"
    assert "\nsoftware NPU: " in done.stdout
    assert report.host["npus"] == 16
    assert report.host["toolkit"] == f"/usr/local/Ascend/cann-{CELL['cann']}"
    assert 'testsuite name="verify (software NPU)"' in (tmp_path / "junit.xml").read_text(encoding="utf-8")
    assert 'role="alert">software NPU: ' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_requiring_an_npu_ends_with_nine_before_anything_is_installed(
    wheelhouse: Path, tmp_path: Path
) -> None:
    done, report = verify(wheelhouse, tmp_path, "--require-npu")
    assert done.returncode == 9, done.stdout + done.stderr
    assert [one.probe for one in report.results] == ["npu-present"]
    assert "is no NPU: run this on an Atlas node" in report.results[0].evidence


def test_the_other_machine_s_wheelhouse_computes_on_a_software_node_under_emulation(
    packages: Path, tmp_path: Path
) -> None:
    missing = [need.name for need in emulation.needs("aarch64") if need.required and not need.present]
    if missing or shutil.which("aarch64-linux-gnu-g++") is None:
        pytest.skip(f"emulation lacks {', '.join(missing) or 'the cross compiler'}")
    assert packages.is_dir()
    (tmp_path / "wheelhouse").mkdir()
    wheelhouse = make_wheelhouse(tmp_path / "wheelhouse", "aarch64")
    done, report = verify(wheelhouse, tmp_path / "reports", probes=("cann-versions", "npu-devices"))
    verdicts = {one.probe: one.verdict for one in report.results}
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts == {"sealed-install": "passed", "cann-versions": "skipped", "npu-devices": "passed"}
    assert report.software
    assert report.conditions["emulated"]
