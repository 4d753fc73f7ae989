"""Where what a command writes has no place, it says so before the work: nothing is read, fetched or proven."""

from __future__ import annotations

from pathlib import Path

import pytest
from invoking import ROOT, invoke


@pytest.mark.parametrize(
    "words",
    [
        ("bundle", "--wheelhouse", "w", "--out", "file/bundles"),
        ("bundle", "--wheelhouse", "w", "--out", "file/b.tar"),
        ("bundle", "--rebuild", "d.tar", "--base", "b.tar", "--out", "file/b.tar"),
        ("image", "w", "--out", "file/context"),
        ("image", "--append", "e", "--base", "b", "--out", "file/image"),
        ("matrix", "--offline", "--torch", "2.8.0", "--output", "file/houses"),
        ("matrix", "--offline", "--torch", "2.8.0", "--bundle", "--bundles", "file/bundles"),
    ],
)
def test_an_output_below_a_file_is_exit_10_before_its_input_is_looked_at(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "file").write_text("mine")
    given = [str(tmp_path / word) if word.startswith("file/") else word for word in words]
    if words[0] == "matrix" and "--output" not in words:
        given += ["--output", str(tmp_path / "houses")]
    assert invoke(*given, root=ROOT) == 10
    err = " ".join(capsys.readouterr().err.split())
    assert f"{tmp_path / 'file'} is no folder" in err
    assert (tmp_path / "file").read_text() == "mine"
