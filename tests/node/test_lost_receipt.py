"""An environment in use whose receipt is gone is neither overwritten nor thrown away, and can be gone back from."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer

UNSIGNED = "--insecure-no-signature"
VERSION = "import alpha; print(alpha.version)"


def _gone(receipt: Path) -> None:
    receipt.unlink()


def _folder(receipt: Path) -> None:
    receipt.unlink()
    receipt.mkdir()


def _loop(receipt: Path) -> None:
    receipt.unlink()
    receipt.symlink_to(receipt.name)


def _pipe(receipt: Path) -> None:
    receipt.unlink()
    os.mkfifo(receipt)


def _empty(receipt: Path) -> None:
    receipt.write_bytes(b"")


@pytest.fixture(params=[_gone, _folder, _loop, _pipe, _empty], ids=lambda damage: damage.__name__)
def damage(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    made: Callable[[Path], None] = request.param
    return made


@pytest.fixture
def houses(tmp_path: Path) -> dict[int, Path]:
    return {
        serial: SmallWheelhouse(wheels=[package("alpha", f"{serial}.0")], serial=serial).write(
            tmp_path / str(serial)
        )
        for serial in (3, 7, 8)
    }


def _stands(prefix: Path) -> str:
    """Return the version that the environment in use imports: `run` refuses one whose receipt is no JSON."""
    command = [str(prefix / "current/bin/python"), "-I", "-c", VERSION]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_an_older_wheelhouse_is_not_installed_over_one_whose_receipt_is_damaged(
    houses: dict[int, Path], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    prefix = tmp_path / "npu"
    assert run_installer(houses[7], "--prefix", prefix, UNSIGNED).status == 0
    damage(prefix / "current/receipt.json")
    for words in ((UNSIGNED,), (UNSIGNED, "--reinstall"), ("--check",), (UNSIGNED, "--dry-run")):
        answer = run_installer(houses[3], "--prefix", prefix, *words)
        assert answer.status == 5, answer.talk
        assert "is not a receipt" in answer.talk
        assert _stands(prefix) == "7.0"
    assert [path.name for path in (prefix / "envs").iterdir()] == ["0001"]


def test_a_damaged_receipt_can_be_gone_back_from(
    houses: dict[int, Path], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    prefix = tmp_path / "npu"
    for serial in (3, 7):
        assert run_installer(houses[serial], "--prefix", prefix, UNSIGNED).status == 0
    damage(prefix / "current/receipt.json")
    answer = run_installer(houses[7], "--prefix", prefix, "--rollback")
    assert answer.status == 0, answer.talk
    assert run_in(prefix, "python", "-c", VERSION) == "3.0"
    assert run_installer(houses[8], "--prefix", prefix, UNSIGNED).status == 0
    assert run_in(prefix, "python", "-c", VERSION) == "8.0"


def test_without_one_before_it_there_is_nothing_to_go_back_to(
    houses: dict[int, Path], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    prefix = tmp_path / "npu"
    assert run_installer(houses[7], "--prefix", prefix, UNSIGNED).status == 0
    damage(prefix / "current/receipt.json")
    answer = run_installer(houses[7], "--prefix", prefix, "--rollback")
    assert answer.status == 2
    assert "holds no environment before" in answer.talk
    assert _stands(prefix) == "7.0"
    assert run_installer(houses[7], "--prefix", prefix, "--uninstall").status == 0
    assert run_installer(houses[7], "--prefix", prefix, UNSIGNED).status == 0


def test_a_pipe_in_place_of_the_lock_makes_nobody_wait(houses: dict[int, Path], tmp_path: Path) -> None:
    prefix = tmp_path / "npu"
    assert run_installer(houses[7], "--prefix", prefix, UNSIGNED).status == 0
    (prefix / ".lock").unlink()
    os.mkfifo(prefix / ".lock")
    assert run_installer(houses[8], "--prefix", prefix, UNSIGNED).status == 0
    assert run_in(prefix, "python", "-c", VERSION) == "8.0"
