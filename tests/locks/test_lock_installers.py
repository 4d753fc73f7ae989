"""The installers of the field, offline, on locks over small made wheels for this host."""

import hashlib
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from local_index import write_wheel

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.process import CommandFailedError, run
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import LockedFile, dump_pylock, dump_requirements

HOST = Target.named(platform.machine())
TOOLS = Path(sys.executable).parent
LOCK = f"pylock.{HOST.machine}.toml"
REQUIREMENTS = f"requirements.{HOST.machine}.txt"
NO_INDEX = ("--no-index", "--find-links", "wheels")
OFFLINE = {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null", "PATH": "/usr/bin:/bin"}


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """A folder with two wheels and both locks of them."""
    wheels = [
        write_wheel(tmp_path / "wheels", "app", "1.0+npu", ["needed-lib"]),
        write_wheel(
            tmp_path / "wheels", "needed-lib", "2.0", tag=f"cp311-cp311-manylinux_2_28_{HOST.machine}"
        ),
    ]
    files = [_locked(path, via) for path, via in zip(wheels, [(), ("app",)], strict=True)]
    (tmp_path / LOCK).write_text(dump_pylock(files, HOST, tool={"schema": 1}), "utf-8")
    (tmp_path / REQUIREMENTS).write_text(dump_requirements(files), "utf-8")
    return tmp_path


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of an empty environment."""
    run([TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "env"], env=OFFLINE)
    return tmp_path / "env/bin/python"


def _locked(path: Path, via: tuple[str, ...]) -> LockedFile:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    artifact = Artifact(filename=path.name, size=len(content), sha256=digest)
    return replace(LockedFile.of(artifact), via=via)


def installed(python: Path) -> set[str]:
    listed = run([TOOLS / "uv", "pip", "freeze", "--python", python], env=OFFLINE).stdout
    return set(listed.split()) - {
        line for line in listed.split() if line.startswith(("pip==", "setuptools=="))
    }


COMMANDS: dict[str, Sequence[str]] = {
    "pip, hashed requirements": (*NO_INDEX, "--require-hashes", "-r", REQUIREMENTS),
    "pip, pylock": ("--no-index", "-r", LOCK),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_pip_installs_a_lock_offline(wheelhouse: Path, python: Path, arguments: Sequence[str]) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    run([*pip, *arguments], cwd=wheelhouse, env=OFFLINE)
    assert installed(python) == {"app==1.0+npu", "needed-lib==2.0"}


@pytest.mark.parametrize("arguments", [(LOCK,), (*NO_INDEX, "--require-hashes", REQUIREMENTS)])
def test_uv_syncs_to_a_lock_offline(wheelhouse: Path, python: Path, arguments: Sequence[str]) -> None:
    run([TOOLS / "uv", "pip", "sync", "--python", python, *arguments], cwd=wheelhouse, env=OFFLINE)
    assert installed(python) == {"app==1.0+npu", "needed-lib==2.0"}


@pytest.mark.slow
def test_pip_sync_takes_the_hashed_requirements_offline(wheelhouse: Path) -> None:
    """It brings what is missing and removes what is not in the lock."""
    python = wheelhouse / "env/bin/python"
    run([sys.executable, "-m", "venv", wheelhouse / "env"], env=OFFLINE)
    stray = write_wheel(wheelhouse / "stray", "stray", "1.0")
    run([python, "-m", "pip", "install", "--no-index", stray], env=OFFLINE)
    options = ["--python-executable", str(python), *NO_INDEX]
    run([TOOLS / "pip-sync", *options, REQUIREMENTS], cwd=wheelhouse, env=OFFLINE)
    assert installed(python) == {"app==1.0+npu", "needed-lib==2.0"}


def test_a_changed_wheel_is_refused(wheelhouse: Path, python: Path) -> None:
    write_wheel(wheelhouse / "wheels", "app", "1.0+npu", ["something-else"])
    with pytest.raises(CommandFailedError, match="lockfile records"):
        run([TOOLS / "uv", "pip", "sync", "--python", python, LOCK], cwd=wheelhouse, env=OFFLINE)


def test_a_lock_for_another_machine_is_refused(wheelhouse: Path, python: Path) -> None:
    other = Target.named("aarch64" if HOST.machine == "x86_64" else "x86_64")
    path = wheelhouse / "pylock.other.toml"
    path.write_text(dump_pylock([], other, tool={}), "utf-8")
    with pytest.raises(CommandFailedError, match="not supported by the lockfile"):
        run([TOOLS / "uv", "pip", "sync", "--python", python, path], cwd=wheelhouse, env=OFFLINE)
