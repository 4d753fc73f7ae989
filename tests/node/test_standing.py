"""Where a person stands while installing, such as a medium of somebody else's, is no place to import from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.node.host import cann, node_environment

UNSIGNED = "--insecure-no-signature"


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """A folder with modules that leave a trace beside it when they are imported."""
    folder = tmp_path / "medium"
    folder.mkdir()
    for name in ("venv", "pip", "pathlib", "torch", "ctypes", "sitecustomize", "node"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write({name!r})\n")
    return folder


@pytest.mark.parametrize("program", ["uv", "pip"])
def test_an_install_imports_nothing_from_where_one_stands(tmp_path: Path, medium: Path, program: str) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    words: list[str | Path] = [
        sys.executable,
        "-I",
        house / "install.py",
        "--prefix",
        tmp_path / "npu",
        UNSIGNED,
    ]

    done = subprocess.run(
        [*words, "--installer", program], cwd=medium, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


def test_the_probes_run_from_files_of_the_one_file_and_nothing_beside_it(
    tmp_path: Path, medium: Path
) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    prefix = tmp_path / "npu"
    words: list[str | Path] = [sys.executable, "-I", house / "install.py", "--prefix", prefix]
    subprocess.run([*words, UNSIGNED], cwd=medium, check=True, capture_output=True)
    home = tmp_path / "home"
    home.mkdir()
    (home / "install.py").write_bytes((house / "install.py").read_bytes())
    for planted in ("child.py", "verify/sealed.py", "probes/imports.py", "install/program.py"):
        (home / "node" / planted).parent.mkdir(parents=True, exist_ok=True)
        (home / "node" / planted).write_bytes((medium / "venv.py").read_bytes())

    probes = ["--verify", "--only", "imports", "--only", "versions", "--report", str(tmp_path / "report")]
    words[2] = home / "install.py"
    done = subprocess.run([*words, *probes], cwd=medium, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "imports: passed" in done.stderr + done.stdout
    assert not (tmp_path / "ran").exists()


def test_canns_scripts_import_no_torch_from_where_one_stands(
    tmp_path: Path, medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NNAL's script asks the torch of the Python in front of the path for its C++ ABI."""
    script = tmp_path / "set_env.sh"
    script.write_text("python -c 'import torch'\nexport ASCEND_SEEN=1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.chdir(medium)
    monkeypatch.setenv("PATH", os.defpath)

    found = cann.Ascend(devices=0, toolkit="", scripts=(str(script),))
    told = node_environment.compute(found, tmp_path).variables

    assert told["ASCEND_SEEN"] == "1"
    assert not (tmp_path / "ran").exists()
