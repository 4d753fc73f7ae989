"""An aarch64 system with a kernel of its own: `install.py` judges it, and installs there."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from guest_kernel import guest_kernel
from machine import Machine
from small_wheelhouse import CELL, SmallWheelhouse, package, seal

from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.verify.system_root import debian_root

pytest_plugins = ["machine_fixtures"]
_PACKAGES = (
    "python3.11",
    "libc-bin",
    "libgomp1",
    "dash",
    "coreutils",
    "util-linux",
    "mount",
    "grep",
    "procps",
)
_STEPS = """uname -m; getconf PAGESIZE
python3.11 -I /job/wheelhouse/install.py --doctor --prefix /opt/npu || test $? = 10
python3.11 -I /job/wheelhouse/install.py --prefix /opt/npu --insecure-no-signature
python3.11 -I /job/wheelhouse/install.py --prefix /opt/npu --check
/opt/npu/run python -c 'import alpha, platform; print(alpha.__name__, platform.machine())'
"""


@pytest.fixture
def arm(tmp_path: Path) -> Iterator[Machine]:
    """A machine of that architecture."""
    made = Machine(
        kernel=guest_kernel("aarch64", tmp_path),
        folder=tmp_path / "machines" / "arm",
        root=debian_root("aarch64", _PACKAGES, default_root()),
        architecture="aarch64",
    )
    yield made
    made.cut()


def _wheelhouse(folder: Path, uv: Path) -> Path:
    small = replace(
        SmallWheelhouse(wheels=[package("alpha")]), cell={**CELL, "machine": "aarch64", "python": "3.11"}
    )
    small.write(folder)
    (requirements,) = folder.glob("requirements.*.txt")
    requirements.rename(folder / "requirements.aarch64.txt")
    with zipfile.ZipFile(uv) as real, zipfile.ZipFile(folder / "tools/uv-0-py3-none-any.whl", "w") as ours:
        (program,) = (name for name in real.namelist() if name.endswith(".data/scripts/uv"))
        ours.writestr(zipfile.ZipInfo("uv-0.data/scripts/uv"), real.read(program))
    seal(folder, {**small.head(), "platform": "aarch64"})
    return folder


@pytest.mark.network
@pytest.mark.usefixtures("kernel")
def test_a_wheelhouse_is_installed_on_an_aarch64_kernel(arm: Machine, tmp_path: Path) -> None:
    target = [
        "--only-binary=:all:",
        "--no-deps",
        "--platform",
        "manylinux2014_aarch64",
        "--dest",
        str(tmp_path),
    ]
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", *target, "uv"], check=True)
    (uv,) = tmp_path.glob("uv-*.whl")
    wheelhouse = _wheelhouse(tmp_path / "wheelhouse", uv)
    arm.start(f"until [ -f /job/carried ]; do sleep 0.2; done\n{_STEPS}")
    wheelhouse.rename(arm.folder / "wheelhouse")
    arm.tell("carried")
    said = arm.finish()
    assert said.startswith("aarch64\n4096\n")
    assert "OK     machine: found aarch64, wanted aarch64" in said
    assert said.endswith("alpha aarch64\n")
