"""The whole command on a software node, with the published torch_npu out of a real wheelhouse."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from soft_nodes import CELL, SOURCES

from ascend_wheelhouse.node.report import Report, read_report

pytest_plugins = ["node_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.network]

ASKED = ("cann-versions", "npu-smi", "npu-devices", "npu-graph")


def described(path: Path) -> dict[str, Any]:
    """Return a wheel's entry in the manifest."""
    name, version = path.name.split("-")[:2]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    place = {"path": f"wheels/{path.name}", "sha256": digest, "size": path.stat().st_size, "kind": "wheel"}
    return {**place, "name": name.replace("_", "-").lower(), "version": version, "component": None}


@pytest.fixture(scope="module")
def wheelhouse(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a wheelhouse of torch and torch_npu; SOFTWARE_NPU_WHEELS names a folder that has them already."""
    assert packages.is_dir()
    folder = tmp_path_factory.mktemp("wheelhouse")
    (folder / "wheels").mkdir()
    if ready := os.environ.get("SOFTWARE_NPU_WHEELS"):
        for path in Path(ready).glob("*.whl"):
            (folder / "wheels" / path.name).symlink_to(path)
    else:
        pip = [sys.executable, "-m", "pip", "download", "-q", "-d", str(folder / "wheels")]
        subprocess.run([*pip, "torch==2.13.0", "numpy", "pyyaml"], check=True, capture_output=True)
        subprocess.run([*pip, "--no-deps", "torch_npu==2.13.0"], check=True, capture_output=True)
    files = [described(path) for path in sorted((folder / "wheels").glob("*.whl"))]
    lines = [f"{one['name']}=={one['version']} --hash=sha256:{one['sha256']}\n" for one in files]
    (folder / "requirements.x86_64.txt").write_text("".join(lines), encoding="utf-8")
    manifest = {
        "schema": 1,
        "stack": "torch-npu",
        "platform": "x86_64",
        "files": files,
        "pending": [],
        "cell": CELL,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def verify(wheelhouse: Path, reports: Path, *more: str) -> tuple[subprocess.CompletedProcess[str], Report]:
    """Run the command for a few probes and read its report."""
    words = ["--wheelhouse", str(wheelhouse), "--report", str(reports), "--standins", str(SOURCES.parent)]
    asked = [word for name in ASKED for word in ("--only", name)]
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
    assert report.host["toolkit"] == "/usr/local/Ascend/cann"
    assert 'testsuite name="verify (software NPU)"' in (tmp_path / "junit.xml").read_text(encoding="utf-8")
    assert 'role="alert">software NPU: ' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_requiring_an_npu_ends_with_nine_before_anything_is_installed(
    wheelhouse: Path, tmp_path: Path
) -> None:
    done, report = verify(wheelhouse, tmp_path, "--require-npu")
    assert done.returncode == 9, done.stdout + done.stderr
    assert [one.probe for one in report.results] == ["npu-present"]
    assert "is no NPU: run this on an Atlas node" in report.results[0].evidence
