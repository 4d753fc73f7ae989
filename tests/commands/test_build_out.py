from pathlib import Path

import pytest
from invoking import invoke


@pytest.mark.parametrize("below", ["", "/wheels"])
def test_a_place_for_the_wheel_that_is_no_folder_is_refused_before_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    """It was told after the build, which may take an hour."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    file = tmp_path / "file"
    file.write_text("mine")
    words = ("build", "torch-npu", "--torch", "2.8.0", "--platform", "aarch64", "--offline")
    assert invoke(*words, "--out", f"{file}{below}") == 2
    assert f"The wheel cannot be put into {file}{below}: {file} is no folder." in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert not (tmp_path / "store").exists()


def test_a_folder_that_is_not_there_yet_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    words = ("build", "torch-npu", "--torch", "2.8.0", "--platform", "aarch64", "--offline")
    assert invoke(*words, "--out", tmp_path / "new" / "wheels") != 2
    assert not (tmp_path / "new").exists()
