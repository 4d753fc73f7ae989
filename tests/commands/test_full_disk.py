"""A full disk is told by its own name, and leaves nothing that stands in the way of the same command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bundle_fixtures import write_wheelhouse

INVOKE = Path(sys.executable).with_name("invoke")
ROOT = Path(__file__).parents[2]


def _on_small_disk(
    place: Path, size: str, script: str, *words: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run a script of `sh` while a tmpfs of some size stands at a place, which is $1; the words follow."""
    place.mkdir(exist_ok=True)
    mounted = f'mount -t tmpfs -o size={size} none "$1" && {script}'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, "sh", place, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    house: Path = write_wheelhouse(tmp_path / "house")
    return house


def test_a_bundle_that_does_not_fit_names_its_own_disk(wheelhouse: Path, tmp_path: Path) -> None:
    small = tmp_path / "small disk"
    script = f'"$2" -r {ROOT} bundle --wheelhouse "$3" --out "$1/b.tar" --serial 7'
    done = _on_small_disk(small, "32k", script, INVOKE, wheelhouse)
    assert done.returncode == 10, done.stderr
    assert f"The disk of {small}/b.tar is full: No space left on device." in done.stderr
    assert "MB are free there" in done.stderr
    assert f"`df -h '{small}'`" in done.stderr


def test_a_new_project_that_did_not_fit_can_be_made_once_there_is_space(tmp_path: Path) -> None:
    small = tmp_path / "small"
    script = (
        'head -c 40k /dev/zero > "$1/fill"; "$2" init "$1/new"; echo "first $?"; ls -A "$1"; '
        'rm "$1/fill"; "$2" init "$1/new" > "$1/said"; echo "then $?"'
    )
    done = _on_small_disk(small, "64k", script, INVOKE.with_name("ascend-wheelhouse"))
    assert done.stdout == "first 10\nfill\nthen 0\n", done.stderr
    assert f"The disk of {small}/new/" in done.stderr


def test_a_key_that_did_not_fit_leaves_nothing_half_made(tmp_path: Path) -> None:
    small = tmp_path / "small"
    script = 'head -c 9M /dev/zero > "$1/fill" 2> /dev/null; "$2" keygen "$1/key"; echo "$?"; ls -A "$1"'
    done = _on_small_disk(small, "64k", script, INVOKE.with_name("ascend-wheelhouse"))
    status, *left = done.stdout.splitlines()
    assert status in {"2", "10"}, done.stderr
    assert left == ["fill"]


def test_an_output_that_does_not_fit_is_no_fault_of_this_tool() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" recipes > /dev/full', str(INVOKE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 10, done.stderr
    assert "A disk that this command writes to is full" in done.stderr
    assert "Traceback" not in done.stderr
