"""The installer that an environment keeps: it serves what stands, and takes its own folder for no wheelhouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    house = SmallWheelhouse(stack="kept").write(tmp_path / "house")
    place = tmp_path / "npu"
    assert run_installer(house, "--prefix", place, "--insecure-no-signature").status == 0
    return place


@pytest.mark.parametrize("named", [False, True])
def test_it_examines_the_node_against_its_own_environment(prefix: Path, *, named: bool) -> None:
    options: list[str | Path] = ["--prefix", prefix] if named else []
    answer = run_installer(prefix / "current", "--doctor", *options)
    assert answer.status == 0, answer.talk
    wanted = {finding["name"]: finding["wanted"] for finding in answer.facts["findings"]}
    assert wanted["cann"] == ">= 8.3.RC2"


def test_it_proposes_a_bundle_where_one_is_needed(prefix: Path) -> None:
    (prefix / "current/extra").touch()
    told = run_installer(prefix / "current", "--prefix", prefix, "--check")
    assert (told.status, "--bundle BUNDLE.tar" in told.facts["next"]) == (5, True), told.talk
    answer = run_installer(prefix / "current", "--prefix", prefix, "--reinstall")
    assert (answer.status, answer.facts["error"]) == (2, "NoWheelhouseError"), answer.talk
    assert answer.facts["what"] == f"{(prefix / 'current').resolve()} is an environment, and no wheelhouse."


def test_a_bundle_that_is_named_and_not_there_is_told_to_who_examines_the_node(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    answer = run_installer(house, "--doctor", "--bundle", tmp_path / "nosuch.tar")
    assert (answer.status, answer.facts["error"]) == (2, "BundleMissingError"), answer.talk
