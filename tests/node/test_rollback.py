"""What going back leaves, and where it does not go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer

UNSIGNED = "--insecure-no-signature"
VERSION = "import alpha; print(alpha.version)"


@pytest.fixture
def houses(tmp_path: Path) -> list[Path]:
    """Two wheelhouses, the older first."""
    return [
        SmallWheelhouse(wheels=[package("alpha", f"{number}.0")]).write(tmp_path / f"house{number}")
        for number in (1, 2)
    ]


@pytest.fixture
def prefix(houses: list[Path], tmp_path: Path) -> Path:
    """A prefix in which both were installed, one after the other."""
    folder = tmp_path / "npu"
    for house in houses:
        assert run_installer(house, "--prefix", folder, UNSIGNED).status == 0
    return folder


def _envs(prefix: Path) -> list[str]:
    return sorted(path.name for path in (prefix / "envs").iterdir() if path.is_dir())


def test_an_install_that_changes_nothing_keeps_the_environment_that_a_rollback_left(
    houses: list[Path], prefix: Path
) -> None:
    assert run_installer(houses[0], "--prefix", prefix, "--rollback").status == 0
    answer = run_installer(houses[0], "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["changed"]) == (0, False)
    assert _envs(prefix) == ["0001", "0002"]
    assert run_in(prefix, "python", "-c", VERSION) == "1.0"


def test_an_install_that_changes_nothing_removes_what_a_killed_run_left(
    houses: list[Path], prefix: Path
) -> None:
    (prefix / "envs/0002").rename(prefix / "envs/0003")
    (prefix / "current").unlink()
    (prefix / "current").symlink_to("envs/0003")
    for name, receipt in {"0000": True, "0002": False}.items():
        (prefix / "envs" / name).mkdir()
        if receipt:
            (prefix / "envs" / name / "receipt.json").write_text("{}")
    answer = run_installer(houses[1], "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["changed"]) == (0, False), answer.talk
    assert _envs(prefix) == ["0001", "0003"]


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=" ".join)
def test_an_environment_whose_files_are_broken_is_not_gone_back_to(
    houses: list[Path], prefix: Path, words: tuple[str, ...]
) -> None:
    (prefix / "envs/0001/bin/python").unlink()
    answer = run_installer(houses[1], "--prefix", prefix, "--rollback", *words)
    assert (answer.status, answer.facts["error"]) == (5, "BrokenPreviousError"), answer.talk
    assert answer.facts["why"] == "missing: bin/python"
    assert f"--prefix {prefix} --reinstall --allow-rollback" in answer.facts["next"]
    assert run_in(prefix, "python", "-c", VERSION) == "2.0"


def test_after_going_back_the_way_forward_is_told_and_leads_there(houses: list[Path], prefix: Path) -> None:
    words = [sys.executable, "-I", str(houses[1] / "install.py"), "--prefix", str(prefix), "--rollback"]
    went = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "To go forward again, install the newer wheelhouse again" in went.stdout
    answer = run_installer(houses[1], "--prefix", prefix, "--rollback")
    assert (answer.status, answer.facts["error"]) == (2, "NoPreviousError"), answer.talk
    assert answer.facts["why"] == "0002 is newer, and no rollback goes forward to it."
    assert answer.facts["next"] == "install the newer wheelhouse again, with its own install.py"
    assert run_installer(houses[1], "--prefix", prefix, UNSIGNED).status == 0
    assert run_in(prefix, "python", "-c", VERSION) == "2.0"


def test_a_report_goes_with_its_environment_and_what_is_told_as_removed_is(
    houses: list[Path], prefix: Path
) -> None:
    for name in ("0001", "0002"):
        (prefix / "envs" / f"{name}.verify.json").write_text("{}")
    answer = run_installer(houses[1], "--prefix", prefix, UNSIGNED, "--reinstall")
    assert "removed 0001\n" in answer.talk
    left = sorted(path.name for path in (prefix / "envs").iterdir())
    assert left == ["0002", "0002.verify.json", "0003"]


def test_forward_again_is_a_switch_to_what_the_rollback_left(houses: list[Path], prefix: Path) -> None:
    made = (prefix / "envs/0002/receipt.json").stat().st_ino
    assert run_installer(houses[0], "--prefix", prefix, "--rollback").status == 0
    dry = subprocess.run(
        [sys.executable, "-I", houses[1] / "install.py", "--prefix", prefix, UNSIGNED, "--dry-run"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"- go forward again to {prefix / 'envs/0002'}\n" in dry.stdout
    answer = run_installer(houses[1], "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["changed"]) == (0, True), answer.talk
    assert answer.facts["environment"] == str(prefix / "envs/0002")
    assert (prefix / "envs/0002/receipt.json").stat().st_ino == made
    assert _envs(prefix) == ["0001", "0002"]
    assert run_in(prefix, "python", "-c", VERSION) == "2.0"
    assert run_installer(houses[1], "--prefix", prefix, "--rollback").status == 0
    assert run_in(prefix, "python", "-c", VERSION) == "1.0"


@pytest.mark.parametrize("words", [(), ("--reinstall",)], ids=["damaged", "reinstall"])
def test_forward_again_is_a_whole_install_where_what_was_left_will_not_do(
    houses: list[Path], prefix: Path, words: tuple[str, ...]
) -> None:
    assert run_installer(houses[0], "--prefix", prefix, "--rollback").status == 0
    if not words:
        (prefix / "envs/0002/bin/python").unlink()
    answer = run_installer(houses[1], "--prefix", prefix, UNSIGNED, *words)
    assert answer.facts["environment"] == str(prefix / "envs/0003"), answer.talk
    assert _envs(prefix) == ["0001", "0003"]
    assert run_in(prefix, "python", "-c", VERSION) == "2.0"


def test_a_dry_install_of_what_is_installed_says_that_it_would_do_nothing(
    houses: list[Path], prefix: Path
) -> None:
    words = [
        sys.executable,
        "-I",
        str(houses[1] / "install.py"),
        "--prefix",
        str(prefix),
        UNSIGNED,
        "--dry-run",
    ]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert told == f"Would do:\n- nothing: small is installed in {prefix / 'envs/0002'}\n"
