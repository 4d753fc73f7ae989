"""`wget` and `curl` of a sealed build: where they put a file that the recipe has, by the options of both."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_wheelhouse.build.shims import DOWNLOADS, FOLDER, write_downloaders

URL = "https://host.test/deep/file.tar.gz"


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("wget URL", "file.tar.gz"),
        ("wget -q -O out URL", "out"),
        ("wget -qO out URL", "out"),
        ("wget -nv -Oout URL", "out"),
        ("wget -qO- URL", ""),
        ("wget -qnc URL -P new/folder", "new/folder/file.tar.gz"),
        ("wget --directory-prefix=new -O out URL", "new/out"),
        ("curl URL", ""),
        ("curl -fsSL URL", ""),
        ("curl -L -O URL", "file.tar.gz"),
        ("curl -LO URL", "file.tar.gz"),
        ("curl -OL URL", "file.tar.gz"),
        ("curl -fsSLo out URL", "out"),
        ("curl -fsSL URL -oout", "out"),
        ("curl --location --output out URL", "out"),
        ("curl -fsSLO --output-dir new URL", "new/file.tar.gz"),
    ],
)
def test_a_file_comes_where_the_options_say(tmp_path: Path, line: str, place: str) -> None:
    """Letters in one word were passed over: `curl -LO` printed the file, `wget -qO out` gave it its own name."""
    (tmp_path / DOWNLOADS).mkdir()
    (tmp_path / DOWNLOADS / "digest").write_text("bytes")
    write_downloaders(tmp_path / FOLDER, sys.executable, str(tmp_path), {URL: "digest"})
    here = tmp_path / "here"
    here.mkdir()
    command = f"{shlex.quote(str(tmp_path / FOLDER))}/{line.replace('URL', URL)}"
    done = subprocess.run(["sh", "-c", command], cwd=here, capture_output=True, text=True, check=True)
    found = {str(path.relative_to(here)): path.read_text() for path in here.rglob("*") if path.is_file()}
    assert found == ({place: "bytes"} if place else {})
    assert done.stdout == ("" if place else "bytes")
