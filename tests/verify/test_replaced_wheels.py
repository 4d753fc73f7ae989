"""Wheels that are not those of the install though each file fits its RECORD: another build, or a second version."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from environments import install, make_environment, manifest, setting, site_packages

from ascend_wheelhouse.node.install import receipt
from ascend_wheelhouse.node.probes import named
from ascend_wheelhouse.node.verify import program, runner
from ascend_wheelhouse.node.verify.report import Result


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    made = make_environment(tmp_path / "environment")
    install(made, "deep-ep", "1.0.0", {"deep_ep/__init__.py": "BUILD = 'the wheelhouse'\n"})
    install(made, "torch", "2.8.0", {"torch/__init__.py": ""})
    return made


def whole(wheels: dict[str, str]) -> dict[str, Any]:
    """Return a manifest as one is written."""
    made = manifest(wheels)
    return made | {"files": [one | {"size": 1, "sha256": "0" * 64} for one in made["files"]]}


def judge(name: str, environment: Path, tmp_path: Path) -> Result:
    locked = manifest({"deep-ep": "1.0.0", "torch": "2.8.0"})
    return runner.run_probe(named(name), setting(environment, tmp_path / "run", locked))


def test_another_build_of_the_same_version_is_told_where_an_install_kept_a_receipt(
    environment: Path, tmp_path: Path
) -> None:
    receipt.write(environment, {"stack": "tiny"})
    assert judge("files", environment, tmp_path).verdict == "passed"
    install(environment, "deep-ep", "1.0.0", {"deep_ep/__init__.py": "BUILD = 'another'\n"})
    result = judge("files", environment, tmp_path)
    assert (result.verdict, result.evidence) == (
        "failed",
        "deep_ep-1.0.0 was replaced after the install: its RECORD is not the receipt's",
    )


def test_an_environment_without_a_receipt_is_held_to_its_records_alone(
    environment: Path, tmp_path: Path
) -> None:
    install(environment, "deep-ep", "1.0.0", {"deep_ep/__init__.py": "BUILD = 'another'\n"})
    assert judge("files", environment, tmp_path).verdict == "passed"


@pytest.mark.parametrize("other", ["2.7.1", "2.9.0"])
def test_a_second_version_beside_the_locked_one_is_told(
    other: str, environment: Path, tmp_path: Path
) -> None:
    info = site_packages(environment) / f"torch-{other}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {other}\n")
    result = judge("versions", environment, tmp_path)
    assert result.verdict == "failed"
    assert f"torch is installed 2 times, as {' and '.join(sorted(['2.8.0', other]))}" in result.evidence


@pytest.mark.parametrize("damage", [lambda record: record.unlink(), lambda record: record.write_bytes(b"")])
def test_a_distribution_whose_record_is_gone_or_empty_is_told(
    environment: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    damage(site_packages(environment) / "torch-2.8.0.dist-info/RECORD")
    (site_packages(environment) / "torch/__init__.py").write_text("changed")
    result = judge("files", environment, tmp_path)
    assert (result.verdict, result.evidence) == ("failed", "torch has no RECORD, or an empty one")


def test_an_environment_is_not_proven_by_the_manifest_of_another_wheelhouse(
    environment: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The newer one has the same versions, built anew: its report would be of wheels that are not installed."""
    old, new = environment / "manifest.json", tmp_path / "newer.json"
    locked = whole({"deep-ep": "1.0.0", "torch": "2.8.0"})
    old.write_text(json.dumps(locked))
    new.write_text(json.dumps(locked | {"lock_digest": "another"}))
    receipt.write(environment, {"manifest": hashlib.sha256(old.read_bytes()).hexdigest()})
    words = [f"--environment={environment}", "--only=files", f"--report={tmp_path / 'r'}"]
    assert program.main([*words, f"--manifest={new}"]) == 2
    told = capfd.readouterr().err
    assert f"{environment} was not installed from the wheelhouse of {new}." in told
    assert not (tmp_path / "r/report.json").exists()
    proposed = shlex.split(told.partition("Next: ")[2].partition(",")[0])
    assert program.main([*words, *proposed]) == 0


def test_a_manifest_of_a_newer_version_proves_nothing(
    environment: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    newer = tmp_path / "manifest.json"
    newer.write_text(json.dumps(whole({"deep-ep": "1.0.0", "torch": "2.8.0"}) | {"schema": 2}))
    words = [f"--environment={environment}", "--only=files", f"--report={tmp_path / 'r'}"]
    assert program.main([*words, f"--manifest={newer}"]) == 2
    assert "schema is 2, and must be a schema that this version reads" in capfd.readouterr().err
