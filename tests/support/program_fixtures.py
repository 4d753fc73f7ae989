"""The program as users install it: its wheel, built once for these tests and put beside nothing of the clone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from program_rig import Installed, clone_into


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sdist, and the wheel that is built from the sdist."""
    out, source = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("clone")
    words = ["-m", "build", "--no-isolation", "--outdir", str(out), str(clone_into(source))]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return out


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """Return the wheel."""
    (found,) = distributions.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed_program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return the program, installed from its wheel into a folder of its own."""
    place = tmp_path_factory.mktemp("installed")
    words = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return Installed(place=place, home=tmp_path_factory.mktemp("home"))
