"""`invoke toolchain` without a name takes what there is for the nodes; nobody builds for aarch64 with gcc 9."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ascend_wheelhouse.build.target_root import TargetRoot
from ascend_wheelhouse.cells.target import Machine, Target
from ascend_wheelhouse.commands import toolchain
from ascend_wheelhouse.commands.toolchain import ToolchainNotLockedError, ToolchainOptions
from ascend_wheelhouse.locks.toolchain_lock import ToolchainLock
from ascend_wheelhouse.pin.toolchains import NoSysrootError, ToolchainFetcher
from ascend_wheelhouse.store.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def brought(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Let locks be fetched and laid out by name alone, on a builder of x86_64; return their names."""
    names: list[str] = []

    def laid(lock: ToolchainLock, glibc: tuple[int, int], _store: Store) -> TargetRoot:
        names.append(lock.name.partition("-glibc")[0])
        return TargetRoot(folder=tmp_path, lock=lock, glibc=glibc)

    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    builder = os.uname_result(("Linux", "builder", "6.1", "#1", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: builder)
    monkeypatch.setattr(ToolchainFetcher, "bring", lambda *_: None)
    monkeypatch.setattr(toolchain, "lay_root", laid)
    return names


def options(
    name: str = "", machine: Machine = "aarch64", glibc: tuple[int, int] = (2, 28)
) -> ToolchainOptions:
    return ToolchainOptions(root=ROOT, name=name, target=Target(machine=machine, glibc=glibc))


def test_a_toolchain_that_is_not_for_the_nodes_is_left_out_with_a_word(
    brought: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    toolchain.main(options())
    assert brought == ["gcc-11", "gcc-13"]
    told = capsys.readouterr().err
    assert told == "left out: The toolchain gcc-9-glibc2.31-py3.11.x86_64-for-aarch64 is not locked.\n"


def test_every_toolchain_of_the_nodes_is_taken(
    brought: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    toolchain.main(options(machine="x86_64"))
    assert brought == ["gcc-11", "gcc-13", "gcc-9"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("asked", "kind"),
    [(options("gcc-9"), ToolchainNotLockedError), (options(glibc=(2, 40)), NoSysrootError)],
)
def test_one_that_was_named_or_none_at_all_is_an_error(
    brought: list[str], asked: ToolchainOptions, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        toolchain.main(asked)
    assert brought == []
