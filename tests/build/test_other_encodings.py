"""Texts of a source, a patch or a build that are not UTF-8: changed where they stand, or told by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.build.patches import PatchTextError, apply_edits, patches_for
from ascend_wheelhouse.build.shims import REFUSED, refused_urls
from ascend_wheelhouse.cells.spec import Edit


def test_an_edit_leaves_the_other_bytes_of_a_file_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_bytes(b"# Andr\xe9\nversion = 1\n")
    apply_edits(tmp_path, [Edit(path="setup.py", find="version = 1", replace="version = 2")], {})
    assert (tmp_path / "setup.py").read_bytes() == b"# Andr\xe9\nversion = 2\n"


def test_a_patch_in_another_encoding_is_told_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "sglang" / ">=1"
    folder.mkdir(parents=True)
    (folder / "01-name.patch").write_bytes(b"-# Andr\xe9\n")
    with pytest.raises(PatchTextError, match=r"^The patch sglang/>=1/01-name\.patch is not UTF-8 text"):
        patches_for(tmp_path, "sglang", "1.0")


def test_whatever_a_build_writes_to_the_list_of_refused_downloads_it_is_read(tmp_path: Path) -> None:
    (tmp_path / REFUSED).write_bytes(b"http://127.0.0.1/a\n\xff\xfe\nhttp://127.0.0.1/a\n")
    assert refused_urls(tmp_path) == ("http://127.0.0.1/a", "\ufffd\ufffd")
    (tmp_path / REFUSED).unlink()
    (tmp_path / REFUSED).mkdir()
    assert refused_urls(tmp_path) == ()
