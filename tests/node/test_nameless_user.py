"""A user without an entry in the system's list of users, as containers run them, and without HOME."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.signing import generate_key

UID = 54321
PYTHON = Path("/usr/bin/python3.11")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
    pytest.mark.skipif(not PYTHON.exists(), reason="wants the system's own Python 3.11"),
]


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="wheelhouse-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def _as_nobody_known(*words: str | Path, **variables: str | Path) -> subprocess.CompletedProcess[str]:
    user = [
        "setpriv",
        f"--reuid={UID}",
        f"--regid={UID}",
        "--clear-groups",
        "env",
        "-i",
        "PATH=/usr/bin:/bin",
    ]
    given = [f"{name}={value}" for name, value in variables.items()]
    command = [*user, *given, PYTHON, "-I", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("variables", [{}, {"USER": ""}], ids=["no HOME", "an empty USER"])
def test_the_doctor_examines_a_node_without_a_home_folder(public: Path, variables: dict[str, str]) -> None:
    house = SmallWheelhouse(cell={"python": "3.11"}).write(public / "house")
    done = _as_nobody_known(house / "install.py", "--doctor", **variables)
    assert done.returncode in {0, 10}, done.stderr
    assert "no home folder" in done.stdout


def test_a_sound_bundle_is_installed_though_ssh_keygen_knows_no_such_user(public: Path) -> None:
    house = SmallWheelhouse(cell={"python": "3.11"}, whole_uv=True).write(public / "house")
    key = generate_key(public / "key")
    made = bundle_command(
        house, out=public / "b.tar", sign_key=public / "key", serial=1, allow_incomplete=True
    )
    (public / "home").mkdir()
    shutil.chown(public / "home", UID, UID)
    words: list[str | Path] = [
        "--bundle",
        made.paths[0],
        "--prefix",
        public / "home/npu",
        "--trusted-key",
        key.fingerprint,
    ]
    done = _as_nobody_known(house / "install.py", *words, HOME=public / "home", USER="")
    assert done.returncode == 0, done.stderr
