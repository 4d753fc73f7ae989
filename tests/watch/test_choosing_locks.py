"""The `--stack` of the commands that `invoke watch` proposes: it chooses every lock of the finding."""

from __future__ import annotations

from typing import cast

from ascend_wheelhouse.locks.lock import Lock
from ascend_wheelhouse.watch.held import HeldLock, choosing


def _held(folder: str, stack: str, platform: str = "aarch64") -> HeldLock:
    return HeldLock(folder=folder, platform=platform, lock=cast("Lock", None), stack=stack)


def test_one_folder_is_named_by_itself() -> None:
    assert choosing([_held("one-a3", "one")]) == " --stack one-a3"
    assert choosing([_held("one-a3", "one"), _held("one-a3", "one", "x86_64")]) == " --stack one-a3"


def test_the_chips_of_a_stack_are_named_by_the_stack() -> None:
    assert choosing([_held("one-910b", "one"), _held("one-a3", "one")]) == " --stack one"


def test_no_word_narrows_what_stands_in_several_stacks() -> None:
    assert choosing([_held("one-a3", "one"), _held("two-a3", "two")]) == ""
    assert choosing([_held("derived-a3", ""), _held("derived-910b", "")]) == ""
