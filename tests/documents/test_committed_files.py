import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ascend_wheelhouse.origins.pip_config import PipConfig

ROOT = Path(__file__).parents[2]
LARGEST = 1_000_000


@pytest.fixture(scope="module")
def committed() -> dict[str, bytes]:
    """Return what git keeps, by path."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [path for path in listed.stdout.split("\0") if (ROOT / path).is_file()]
    return {path: (ROOT / path).read_bytes() for path in paths}


def test_no_committed_file_names_the_host_of_the_package_index(committed: dict[str, bytes]) -> None:
    """Locks and documents hold at any site, behind any mirror."""
    host = str(urlsplit(PipConfig().index_urls[0]).hostname).encode()
    assert [path for path, data in committed.items() if host in data] == []


def test_no_committed_file_names_a_path_of_this_machine(committed: dict[str, bytes]) -> None:
    place = str(ROOT).encode()
    if len(ROOT.parts) < 3:
        pytest.skip("a checkout this near the root says nothing")
    assert [path for path, data in committed.items() if place in data] == []


def test_committed_files_are_small(committed: dict[str, bytes]) -> None:
    assert [path for path, data in committed.items() if len(data) > LARGEST] == []


def test_no_committed_file_holds_the_marks_of_a_merge(committed: dict[str, bytes]) -> None:
    marks = re.compile(rb"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)
    assert [path for path, data in committed.items() if marks.search(data)] == []
