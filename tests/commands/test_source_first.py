"""A source that cannot be had is told before the toolchain that would build it is fetched."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from index_server import serving
from invoking import invoke

CELL = ("--torch", "2.8.0", "--platform", platform.machine())


@pytest.mark.parametrize("command", [("build", "--toolchain", "own"), ("reproduce",)])
def test_a_git_server_that_does_not_answer_is_told_before_anything_is_fetched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    """Packages of 160 MB came first, and the source was asked for minutes later."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("WHEELHOUSE_MIRRORS", f"https://github.com/Ascend/={(tmp_path / 'away').as_uri()}/")
    with serving() as index:
        monkeypatch.setenv("WHEELHOUSE_DEBIAN", index.url)
        ended = invoke(*command, "torch-npu", *CELL)
        assert index.asked == []
    told = capsys.readouterr().err
    assert ended == 4, told
    assert "git clone --recurse-submodules" in told
