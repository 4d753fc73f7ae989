from __future__ import annotations

from pathlib import Path

import pytest
from invoking import invoke

from ascend_wheelhouse.base.output_file import trouble, write_result


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("audit", "--wheelhouse", "nothing", "--sarif"), "--sarif"),
        (("verify-report", "nothing", "--out"), "--out"),
    ],
)
def test_a_place_of_a_result_is_tried_before_anything_is_read(
    words: tuple[str, ...], option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(*words, tmp_path) == 2
    told = capsys.readouterr().err
    assert f"Error: {tmp_path} cannot be written: it is a folder." in told
    assert f"{option} names a file in a folder that you may write to." in told


def test_a_result_goes_into_a_new_folder_and_over_an_earlier_one(tmp_path: Path) -> None:
    place = tmp_path / "new" / "folder" / "page.html"
    for text in ("one", "two"):
        assert trouble(place) is None
        write_result(place, text)
        assert place.read_text() == text
