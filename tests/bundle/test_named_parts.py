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
