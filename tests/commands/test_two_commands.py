"""Two commands on one command line: the second one is done where the first one ended well, and not else."""

from __future__ import annotations

from pathlib import Path

import pytest
from invoking import invoke


@pytest.mark.parametrize("first", [("doctor", "--emulation"), ("matrix", "--dry-run", "--torch", "2.8.0")])
def test_a_command_that_ends_well_is_followed_by_the_next(
    first: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    if invoke(*first):
        pytest.skip("it ends with a fault on this host")
    capsys.readouterr()
    assert invoke(*first, "config") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("user: ")


def test_a_command_that_fails_is_followed_by_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    assert invoke("audit", "--wheelhouse", tmp_path / "none", "config") == 2
    assert "user: " not in capsys.readouterr().out
