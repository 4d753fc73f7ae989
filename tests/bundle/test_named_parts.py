"""The parts of a bundle by name, as a person or a file manager lists them: in any order, one twice, one not copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.bundle.command import bundle_command


@pytest.fixture
def numbered(tmp_path: Path) -> list[Path]:
    """The parts of one bundle, five or more."""
    house = SmallWheelhouse().write(tmp_path / "house")
    whole = tmp_path / "media/x.tar"
    made = bundle_command(house, out=whole, sign_key=None, serial=1, allow_incomplete=True, split=60_000)
    assert len(made.paths) >= 5
    return sorted(made.paths)


@pytest.mark.parametrize(
    "named", [lambda parts: parts[::-1], lambda parts: [parts[1], *parts]], ids=["any order", "one twice"]
)
def test_the_numbers_of_parts_say_their_order(
    numbered: list[Path], tmp_path: Path, named: Callable[[list[Path]], list[Path]]
) -> None:
    words = ("--prefix", tmp_path / "npu", "--insecure-no-signature", "--dry-run", "--bundle")
    answer = run_installer(tmp_path / "house", *words, *named(numbered))
    assert answer.status == 0, answer.talk


def test_parts_on_several_media_are_one_bundle(numbered: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "another stick" / numbered[1].name
    other.parent.mkdir()
    numbered[1].rename(other)
    words = ("--prefix", tmp_path / "npu", "--insecure-no-signature", "--dry-run", "--bundle")
    answer = run_installer(tmp_path / "house", *words, other, numbered[0], *numbered[2:])
    assert answer.status == 0, answer.talk


@pytest.mark.parametrize("lacking", [0, 1])
def test_a_part_that_was_not_named_is_told_by_its_number(
    numbered: list[Path], tmp_path: Path, lacking: int
) -> None:
    words = ("--prefix", tmp_path / "npu", "--insecure-no-signature", "--bundle")
    answer = run_installer(tmp_path / "house", *words, *numbered[:lacking], *numbered[lacking + 1 :])
    assert (answer.status, answer.facts["error"]) == (5, "BundleDamagedError")
    assert answer.facts["what"] == f"Part {lacking + 1:03d} of x.tar is missing."
    assert "do not use this bundle" not in answer.talk


def _told(parts: list[Path], folder: Path) -> str:
    words = ("--prefix", folder / "npu", "--insecure-no-signature", "--bundle", parts[0])
    answer = run_installer(folder / "house", *words)
    assert answer.status == 5, answer.talk
    return f"{answer.facts['what']} {answer.facts['why']} {answer.facts['next']}"


def test_a_last_part_that_was_not_copied_is_told_by_its_number(numbered: list[Path], tmp_path: Path) -> None:
    numbered[-1].unlink()
    told = _told(numbered, tmp_path)
    assert f"Part {len(numbered):03d} of x.tar is missing." in told
    assert f"copy x.tar.{len(numbered):03d} beside the others" in told


@pytest.mark.parametrize("place", [0, 2, -1])
def test_a_part_that_was_cut_short_is_told_by_its_name(
    numbered: list[Path], tmp_path: Path, place: int
) -> None:
    size = numbered[place].stat().st_size
    numbered[place].write_bytes(numbered[place].read_bytes()[:-9])
    assert _told(numbered, tmp_path).startswith(
        f"{numbered[place].name} has {size - 9} bytes, and should have {size}."
    )


def test_a_part_too_many_is_told_by_its_name(numbered: list[Path], tmp_path: Path) -> None:
    older = numbered[0].with_name(f"x.tar.{len(numbered) + 1:03d}")
    older.write_bytes(b"of an older bundle")
    assert _told(numbered, tmp_path).startswith(f"{older.name} does not belong to x.tar,")


def test_a_wrong_part_among_right_ones_is_told_by_its_name(numbered: list[Path], tmp_path: Path) -> None:
    wrong = numbered[-1]
    wrong.write_bytes(bytes(byte ^ 1 for byte in wrong.read_bytes()))
    told = _told(numbered, tmp_path)
    assert wrong.name in told
    assert numbered[0].name not in told
