"""The program crosses an air gap in a bundle of its own, and does its work there: no network, no index, no store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from index_server import serving
from program_rig import Installed
from small_world import World, found

from ascend_wheelhouse.base.interpreters import find_python
from ascend_wheelhouse.folder.signing import generate_key

pytest_plugins = ["program_fixtures"]
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces without a user namespace need root"),
]
CELL = ("--torch", "2.8.0", "--platform", "aarch64")


@dataclass(frozen=True, kw_only=True)
class FarSide:
    """A host on the far side.

    Args:
        medium: What was carried: the bundles of the program and of a wheelhouse.
        opt: Where the program is installed.
        project: A project folder with the recipes of the small world, and nothing else.
        fingerprint: Who signed.
    """

    medium: Path
    opt: Path
    project: Path
    fingerprint: str

    def sealed(self, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command without any network, and without anything of this host's settings."""
        environ = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(self.project / "home")}
        line = ["unshare", "--net", "env", "-i", *(f"{name}={value}" for name, value in environ.items())]
        return subprocess.run(
            [*line, *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False, timeout=300
        )

    def program(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the carried program in the project folder."""
        return self.sealed(self.opt / "run", "ascend-wheelhouse", *words, cwd=self.project)


def _bundle_of_the_program(installed_program: Installed, near: Path, key: Path, python: str) -> str:
    """Bundle it with the index and the store of whoever runs the tests; return the line that installs it."""
    near.mkdir()
    usual: Mapping[str, str] = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    mine = {"PATH": installed_program.environ["PATH"], "PYTHONPATH": installed_program.environ["PYTHONPATH"]}
    done = subprocess.run(
        [
            "ascend-wheelhouse",
            "bundle",
            "--tool",
            "--python",
            python,
            "--serial",
            "7",
            "--sign-key",
            str(key),
        ],
        cwd=near,
        env={**usual, **mine},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    _, _, line = next(one for one in done.stdout.splitlines() if "sha256sum --check" in one).partition("&& ")
    return line


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A small world whose wheelhouse is made and bundled."""
    with serving() as index:
        world = found(tmp_path_factory.mktemp("near"), index)
        done = world.make()
        assert done.status == 0, done.err + done.out
        yield world


@pytest.fixture(scope="module", params=["3.11", "3.12"])
def far(
    near: World,
    installed_program: Installed,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> FarSide:
    """The far side, the program installed there by the line that was printed on this one, with each Python."""
    python = find_python(request.param)
    if python is None:
        pytest.skip(f"no CPython {request.param} here")
    base = tmp_path_factory.mktemp("far")
    signer = generate_key(base / "key")
    line = _bundle_of_the_program(installed_program, base / "near", base / "key", request.param)
    words = ["bundle", "--allow-incomplete", "--serial", "7", "--sign-key", str(base / "key"), *CELL]
    packed = near.invoke(*words)
    assert packed.status == 0, packed.err
    medium = base / "medium"
    medium.mkdir()
    for path in (*(base / "near/bundles").glob("*.tar"), *(near.root / "bundles").glob("*.tar")):
        shutil.copyfile(path, medium / path.name)
    with tarfile.open(next(medium.glob("ascend-wheelhouse*.tar"))) as archive:
        (medium / "install.py").write_bytes(_member(archive, "install.py"))
    project = base / "project"
    shutil.copytree(near.root / "recipes", project / "recipes")
    (project / "src/ascend_wheelhouse").mkdir(
        parents=True
    )  # its few recipes stand by themselves, as a clone's
    side = FarSide(medium=medium, opt=base / "opt", project=project, fingerprint=signer.fingerprint)
    installing = line.replace("/opt/ascend-wheelhouse", str(side.opt)).split()
    assert installing[0] == f"python{request.param}"
    installing[0] = str(python)
    done = side.sealed(*installing, cwd=medium)
    assert done.returncode == 0, done.stderr
    assert "NPU" not in done.stdout
    return side


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


@pytest.fixture(scope="module")
def carried(far: FarSide) -> Path:
    """The wheelhouse that was carried, unpacked and taken into the store of the far side."""
    (bundle,) = far.medium.glob("sglang*.tar")
    folder = far.project / "carried" / bundle.stem
    folder.mkdir(parents=True)
    done = far.program("bundle", "--verify", bundle, "--trusted-key", far.fingerprint)
    assert done.returncode == 0, done.stderr
    subprocess.run(["tar", "-xf", bundle, "-C", folder], check=True)
    done = far.program("vendor", folder)
    assert done.returncode == 0, done.stderr
    assert "Next: ascend-wheelhouse wheelhouse --offline" in done.stdout
    return folder


def test_the_carried_program_is_the_one_that_was_bundled(far: FarSide) -> None:
    done = far.program("--version")
    assert (done.returncode, done.stdout) == (0, "ascend-wheelhouse 0.1.0\n")
    stacks = far.sealed(far.opt / "run", "ascend-wheelhouse", "stacks", cwd=far.medium)
    assert "SGLang 0.5.6.post2" in stacks.stdout


def _sums(wheelhouse: Path) -> set[str]:
    """Return the rows of all but manifest, bill and page: they say why a component is pending, which differs."""
    rows = (wheelhouse / "SHA256SUMS").read_text().splitlines()
    return {
        row for row in rows if not row.endswith(("  manifest.json", "  sbom.cdx.json", "  wheelhouse.html"))
    }


def test_a_wheelhouse_is_made_again_and_bundled_again(far: FarSide, carried: Path, near: World) -> None:
    assert carried.is_dir()
    made = far.program("wheelhouse", "--offline", *CELL)
    assert made.returncode == 0, made.stderr
    folder = far.project / "wheelhouse" / near.folder.name
    assert _sums(folder) == _sums(near.folder)
    assert far.program("audit", "--wheelhouse", folder).returncode == 0
    again = far.program("bundle", "--allow-incomplete", "--serial", "8", *CELL)
    assert again.returncode == 0, again.stderr
    (bundle,) = (far.project / "bundles").glob("*.tar")
    with tarfile.open(bundle) as archive:
        assert json.loads(_member(archive, "manifest.json"))["serial"] == 8


def test_a_pure_component_is_built_from_the_carried_source(far: FarSide, carried: Path, near: World) -> None:
    assert carried.is_dir()
    done = far.program("build", "sglang", "--offline", "--out", "built", *CELL)
    assert done.returncode == 0, done.stderr
    (wheel,) = (far.project / "built").glob("*.whl")
    assert wheel.read_bytes() == (near.folder / "wheels" / wheel.name).read_bytes()
