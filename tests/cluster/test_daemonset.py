"""The pod of deploy/kubernetes, without a cluster: its schemas, its image, and its init container on a node."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from pod_rig import DAEMONSET, NO_PYTHON, READ_ONLY_OPT, Node, node, pod
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.folder.signing import generate_key

DIGEST = hashlib.sha256(build_installer()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Images:
    """The files of two images, of an older bundle and a newer one, and whose they are."""

    older: Path
    newer: Path
    empty: Path
    signer: str
    stranger: str

    def texts(self, digest: str = DIGEST, signer: str = "") -> dict[str, str]:
        """Return what stands in the example in place of these words."""
        fingerprint = signer or self.signer
        return {
            "replace-with-the-sha256": digest,
            "SHA256:replace-with-the-fingerprint-of-the-signer": fingerprint,
        }


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    folder = tmp_path_factory.mktemp("images")
    key, other = generate_key(folder / "key"), generate_key(folder / "other")
    for serial in (1, 2):
        house = SmallWheelhouse(serial=serial).write(folder / f"house{serial}")
        out = folder / f"{serial}.tar"
        bundle_command(house, out=out, sign_key=key.path, serial=serial, allow_incomplete=True)
        (folder / str(serial)).mkdir()
        subprocess.run(["tar", "-xf", out, "-C", folder / str(serial)], check=True)
    (folder / "empty").mkdir()
    return Images(
        older=folder / "1",
        newer=folder / "2",
        empty=folder / "empty",
        signer=key.fingerprint,
        stranger=other.fingerprint,
    )


@pytest.fixture
def bare() -> Iterator[Node]:
    with node() as made:
        yield made


@pytest.mark.parametrize("version", ["1.31", "1.35", "1.37"])
def test_the_example_is_what_kubernetes_takes(version: str) -> None:
    """No field is unknown to the first release that has image volumes, nor to later ones."""
    schemas = pytest.importorskip("kubernetes_validate", reason="nox -s deploys")
    described = yaml.safe_load(DAEMONSET.read_text())
    assert schemas.validate(described, version, strict=True) == version
    described["spec"]["template"]["spec"]["volumes"][1]["picture"] = {}
    with pytest.raises(schemas.ValidationError):
        schemas.validate(described, version, strict=True)


def test_a_bundle_is_installed_once_and_an_older_one_does_not_replace_it(bare: Node, images: Images) -> None:
    first = bare.run(images.newer, images.texts())
    assert (first.returncode, '"changed": true' in first.stdout) == (0, True), first.stdout
    again = bare.run(images.newer, images.texts())
    assert (again.returncode, '"changed": false' in again.stdout) == (0, True), again.stdout
    older = bare.run(images.older, images.texts())
    assert (older.returncode, "has the serial 1; 2 is installed" in older.stdout) == (5, True), older.stdout
    assert bare.run(images.newer, images.texts()).returncode == 0


@pytest.mark.parametrize(
    ("image", "digest", "signer", "before", "status", "said"),
    [
        ("newer", "0" * 64, "signer", "", 5, f"another sha256 was expected than {DIGEST}  install.py"),
        ("newer", DIGEST, "stranger", "", 5, "which is not trusted here"),
        ("empty", DIGEST, "signer", "", 5, "holds no install.py: is it an image of a bundle?"),
        ("newer", DIGEST, "signer", NO_PYTHON, 10, "The node has no /usr/bin/python3.11"),
        ("newer", DIGEST, "signer", READ_ONLY_OPT, 10, "/opt/sglang-npu: Read-only file system"),
    ],
    ids=["digest", "key", "empty", "python", "read-only"],
)
def test_the_log_says_why_nothing_was_installed(
    bare: Node, images: Images, image: str, digest: str, signer: str, before: str, status: int, said: str
) -> None:
    texts = images.texts(digest, getattr(images, signer))
    done = bare.run(getattr(images, image), texts, before)
    assert (done.returncode, said in done.stdout) == (status, True), done.stdout
    assert not (bare.layer / "upper/opt/sglang-npu/envs").exists()


def test_a_pod_tells_kubernetes_why_it_failed_and_ends_soon() -> None:
    """`sleep` as the first process of a container does not end on SIGTERM."""
    described = pod()
    assert described["initContainers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert described["containers"][0]["command"] == ["sleep", "infinity"]
    assert described["terminationGracePeriodSeconds"] <= 5


@pytest.mark.skipif(not shutil.which("podman") or os.geteuid() != 0, reason="needs podman, and root")
def test_the_image_that_the_example_makes_holds_the_files_of_the_bundle(images: Images) -> None:
    (command,) = [line for line in DAEMONSET.read_text().splitlines() if "podman build" in line]
    dockerfile = command.partition("'")[2].partition("'")[0].replace("\\n", "\n")
    with TemporaryDirectory(prefix="wh-") as folder:  # podman refuses a run folder of more than 50 characters
        stores = [
            word for name in ("root", "runroot", "tmpdir") for word in (f"--{name}", f"{folder}/{name}")
        ]
        podman = ["podman", *stores, "--storage-driver", "vfs"]
        build = [*podman, "build", "--tag", "localhost/wheelhouse", "--file", "-", str(images.newer)]
        subprocess.run(build, input=dockerfile, text=True, capture_output=True, check=True)
        mount = [*podman, "image", "mount", "localhost/wheelhouse"]
        mounted = subprocess.run(mount, text=True, capture_output=True, check=True).stdout.strip()
        same = subprocess.run(["diff", "-r", images.newer, mounted], capture_output=True, check=False)
        subprocess.run([*podman, "image", "unmount", "--all", "--force"], capture_output=True, check=True)
    assert (same.returncode, same.stdout) == (0, b"")
