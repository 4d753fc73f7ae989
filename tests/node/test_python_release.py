"""A wheel whose Requires-Python excludes the release of the node's Python: told before anything is written."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_installer, seal

from ascend_wheelhouse.folder.python_releases import as_manifest
from ascend_wheelhouse.node.host.pythons import running

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def _house(folder: Path, stated: str) -> Path:
    house = SmallWheelhouse(wheels=(package("alpha"), package("beta")))
    house.write(folder)
    node = as_manifest([("alpha", stated), ("beta", ">=3.8")], running())
    seal(folder, house.head() | {"node": node})
    return folder


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_node_whose_python_a_wheel_excludes_is_refused(tmp_path: Path, installer: str) -> None:
    """With pip it ended in the midst of the install, and uv installed it without a word."""
    house = _house(tmp_path / "house", f">={MINOR}, !={platform.python_version()}")
    words = ("--insecure-no-signature", "--installer", installer)
    answer = run_installer(house, "--prefix", tmp_path / "npu", *words)
    assert answer.status == 10, answer.talk
    assert f"python release: found {platform.python_version()}" in answer.talk
    assert "alpha" in answer.talk
    assert "beta" not in answer.talk
    assert not (tmp_path / "npu").exists()


def test_a_python_that_no_wheel_excludes_is_taken(tmp_path: Path) -> None:
    house = _house(tmp_path / "house", f"!={MINOR}.99")
    assert json.loads((house / "manifest.json").read_text())["node"] == {}
    house = _house(tmp_path / "other", f"!={MINOR}.98")
    answer = run_installer(house, "--prefix", tmp_path / "npu", "--insecure-no-signature")
    assert answer.status == 0, answer.talk


@pytest.mark.parametrize(
    ("stated", "releases"),
    [
        (">=3.8", None),
        ("!=3.11.2", ["3.11.2"]),
        (">=3.11.3", ["3.11.0", "3.11.1", "3.11.2"]),
        ("~=3.11.1", ["3.11.0"]),
        ("==3.11.*", None),
        (">=3.12", None),
        ("<3.11.9", None),
        ("", None),
        (">=3.5.*", None),
    ],
)
def test_the_manifest_names_the_releases_that_a_wheel_excludes(
    stated: str, releases: list[str] | None
) -> None:
    found = as_manifest([("alpha", stated)], "3.11")
    assert found == ({} if releases is None else {"barred": {"alpha": releases}})
