"""Wheels that are not those of the install though each file fits its RECORD: another build, or a second version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from environments import install, make_environment, manifest, setting, site_packages

from ascend_wheelhouse.node.install import receipt
from ascend_wheelhouse.node.probes import named
from ascend_wheelhouse.node.verify import runner
from ascend_wheelhouse.node.verify.report import Result


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    made = make_environment(tmp_path / "environment")
    install(made, "deep-ep", "1.0.0", {"deep_ep/__init__.py": "BUILD = 'the wheelhouse'\n"})
    install(made, "torch", "2.8.0", {"torch/__init__.py": ""})
    return made


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
