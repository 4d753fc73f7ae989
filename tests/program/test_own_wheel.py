from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from program_rig import ROOT, Installed, clone_into

pytest_plugins = ["program_fixtures"]

OF_THE_CLONE = {"lockfiles/dev.txt"}


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_index_would_take_the_wheel_and_the_sdist(distributions: Path) -> None:
    files = sorted(map(str, distributions.iterdir()))
    assert len(files) == 2
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_wheel_holds_what_a_wheel_should(wheel: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_wheel_contents", "--config", str(ROOT / "pyproject.toml"), str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{wheel}: OK\n")


def test_the_sdist_and_the_clone_build_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    out, source = tmp_path / "out", clone_into(tmp_path / "clone")
    words = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    (of_the_clone,) = out.glob("*.whl")
    assert _contents(of_the_clone) == _contents(wheel)


def test_the_wheel_carries_every_file_of_the_package(wheel: Path) -> None:
    """Templates, styles, lists and what a new project begins with: a page or a task would miss one far away."""
    listed = subprocess.run(
        ["git", "ls-files", "src/ascend_wheelhouse"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert any(name.endswith(".html.j2") for name in listed)
    contents = _contents(wheel)
    missing = [name for name in listed if name.removeprefix("src/") not in contents]
    assert missing == []


def test_the_wheel_carries_the_recipes_and_locks_of_the_repository(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "recipes", "lockfiles"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    prefix = "ascend_wheelhouse/data/"
    carried = {
        name.removeprefix(prefix): data for name, data in _contents(wheel).items() if name.startswith(prefix)
    }
    assert carried == {name: (ROOT / name).read_bytes() for name in {*listed} - OF_THE_CLONE}


def test_the_installed_program_reads_its_own_recipes(installed_program: Installed, tmp_path: Path) -> None:
    done = installed_program.run("stacks", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    there = subprocess.run(
        [sys.executable, "-m", "invoke", "stacks", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == there.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_program_tells_its_version(installed_program: Installed, tmp_path: Path) -> None:
    done = installed_program.run("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "ascend-wheelhouse 0.1.0\n")
