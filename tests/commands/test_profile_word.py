"""`--profile` with the name of a folder, and `invoke vendor` with several files."""

from __future__ import annotations

from pathlib import Path

import pytest
from invoking import invoke

from ascend_wheelhouse.commands.tasks.words import profile_of


@pytest.mark.parametrize(
    ("given", "page"),
    [
        (True, "profile.html"),
        (".", "profile.html"),
        ("there", "there/profile.html"),
        ("there/", "there/profile.html"),
        ("new/", "new/profile.html"),
        ("new", "new"),
        ("times.html", "times.html"),
    ],
)
def test_a_folder_gets_the_page_of_the_times_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, given: str | bool, page: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert profile_of(given) == Path(page)


@pytest.mark.parametrize("options", [(), ("--npu", "a3")])
def test_several_files_to_import_are_answered_with_what_imports_each(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke("vendor", "a.whl", "b c.whl", *options) == 2
    told = capsys.readouterr().err
    assert "vendor takes one file or folder" in told
    more = "".join(f" {one}" for one in options)
    assert f"""for file in a.whl 'b c.whl'; do invoke vendor "$file"{more}; done""" in told
