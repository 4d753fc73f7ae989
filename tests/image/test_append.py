"""The engine-free image: a layer on a base image, checked with umoci and skopeo where they are installed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.bundle.oci import blob_path, put_json, write_index
from ascend_wheelhouse.image import append
from ascend_wheelhouse.image.append import Appended, append_environment
from ascend_wheelhouse.image.layout import NoImageError, find_image
from ascend_wheelhouse.node.install.receipt_file import BadReceiptError

INSIDE = "/opt/sglang-npu"
LABELS = {"ascend-wheelhouse.cell.cann": "8.3.RC2"}


def _layer(folder: Path, files: dict[str, bytes]) -> dict[str, Any]:
    path = folder / "layer.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            source = folder / "content"
            source.write_bytes(content)
            archive.add(source, name)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    blob_path(folder, digest).write_bytes(data)
    for leftover in (path, folder / "content"):
        leftover.unlink()
    return {"mediaType": append.LAYER_TYPE, "digest": f"sha256:{digest}", "size": len(data)}


def _image(folder: Path, architecture: str) -> dict[str, Any]:
    layer = _layer(folder, {"etc/os-release": b"NAME=base\n", "etc/machine": architecture.encode()})
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin"], "Labels": {"base": "yes"}},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", **put_json(folder, config)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described,
        "layers": [layer],
    }
    return {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        **put_json(folder, manifest),
        "platform": {"architecture": architecture, "os": "linux"},
    }


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base image for two machines, behind an index as registries have it."""
    folder = tmp_path / "base"
    (folder / "blobs" / "sha256").mkdir(parents=True)
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [_image(folder, "amd64"), _image(folder, "arm64")],
    }
    write_index(folder, {**put_json(folder, index), "mediaType": index["mediaType"]}, "base")
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """What `install.py` leaves in its prefix."""
    folder = tmp_path / "prefix"
    packages = folder / "envs" / "0001" / "lib"
    packages.mkdir(parents=True)
    (packages / "module.py").write_text("x = 1\n")
    (folder / "envs" / "0001" / "receipt.json").write_text("{}\n")
    run = folder / "envs" / "0001" / "run"
    run.write_text("#!/bin/sh\n")
    run.chmod(0o750)
    (folder / "current").symlink_to("envs/0001")
    (folder / "run").symlink_to("current/run")
    (folder / "install.log").write_text("noise")
    (folder / ".work").mkdir()
    (folder / ".work" / "scratch").write_text("noise")
    return folder


def _append(environment: Path, base: Path, out: Path, machine: str = "aarch64") -> Appended:
    return append_environment(environment, base, out, inside=INSIDE, machine=machine, labels=LABELS)


def test_the_environment_is_one_layer_on_top_of_the_base(
    tmp_path: Path, base: Path, environment: Path
) -> None:
    appended = _append(environment, base, tmp_path / "out.oci")

    image = find_image(tmp_path / "out.oci", "aarch64")
    assert len(image.manifest["layers"]) == 2
    assert image.manifest["layers"][-1]["digest"] == appended.layer
    assert image.config["rootfs"]["diff_ids"][-1] == appended.layer
    with tarfile.open(blob_path(tmp_path / "out.oci", appended.layer)) as archive:
        found = {item.name: item for item in archive}
    assert "opt/sglang-npu/envs/0001/lib/module.py" in found
    assert found["opt/sglang-npu/current"].linkname == "envs/0001"
    assert found["opt/sglang-npu/envs/0001/run"].mode == 0o755
    assert {item.uid for item in found.values()} == {0}
    assert not [name for name in found if "install.log" in name or ".work" in name]


def test_the_image_starts_through_run_of_the_environment(
    tmp_path: Path, base: Path, environment: Path
) -> None:
    _append(environment, base, tmp_path / "out.oci")

    run = find_image(tmp_path / "out.oci", "aarch64").config["config"]
    assert run["Entrypoint"] == ["/opt/sglang-npu/run"]
    assert run["Env"] == ["PATH=/usr/bin"]
    assert run["Labels"] == {"base": "yes", **LABELS}


def test_an_image_of_another_application_starts_its_server(
    tmp_path: Path, base: Path, environment: Path
) -> None:
    _append(environment, base, tmp_path / "1.oci")
    manifest = environment / "current" / "manifest.json"
    manifest.write_text('{"serving": {"command": ["vllm", "serve"]}}')
    _append(environment, base, tmp_path / "2.oci")
    manifest.write_text('{"serving": []}')
    with pytest.raises(BadReceiptError, match=r"manifest\.json is no manifest: "):
        _append(environment, base, tmp_path / "3.oci")

    started = [find_image(tmp_path / f"{number}.oci", "aarch64").config["config"]["Cmd"] for number in (1, 2)]
    assert started == [["python", "-m", "sglang.launch_server", "--help"], ["vllm", "serve", "--help"]]


def test_an_environment_that_would_not_start_in_the_image_is_refused(
    tmp_path: Path, base: Path, environment: Path
) -> None:
    receipt = environment / "current" / "receipt.json"
    receipt.write_text(json.dumps({"environment": "/data/my npu/envs/0001", "platform": "aarch64"}))
    with pytest.raises(
        append.OtherPlaceError, match="was installed at /data/my npu, and would stand at"
    ) as told:
        _append(environment, base, tmp_path / "out.oci")
    assert told.value.next_step == "the same command with --prefix '/data/my npu'"

    receipt.write_text(json.dumps({"environment": f"{INSIDE}/envs/0001", "platform": "aarch64"}))
    with pytest.raises(append.OtherPlaceError, match="is for aarch64, and the image for x86_64"):
        _append(environment, base, tmp_path / "out.oci", "x86_64")
    assert not (tmp_path / "out.oci").exists()
    assert _append(environment, base, tmp_path / "out.oci").layer


@pytest.mark.parametrize(
    ("target", "interpreter"),
    [("/usr/bin/python3.11", "/usr/bin/python3.11"), (f"{INSIDE}/python/bin/python3.11", "")],
)
def test_a_python_outside_the_environment_is_named(
    tmp_path: Path, base: Path, environment: Path, target: str, interpreter: str
) -> None:
    programs = environment / "envs" / "0001" / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(target)
    (programs / "python").symlink_to("python3")

    assert _append(environment, base, tmp_path / "out.oci").interpreter == interpreter


def test_equal_environments_give_equal_images(tmp_path: Path, base: Path, environment: Path) -> None:
    first = _append(environment, base, tmp_path / "1.oci")
    second = _append(environment, base, tmp_path / "2.oci")

    assert first == second


def test_what_an_install_is_still_removing_is_no_part_of_the_image(
    tmp_path: Path, base: Path, environment: Path
) -> None:
    """It was packed, by hundreds of megabytes, or ended the command where it was removed meanwhile."""
    one = _append(environment, base, tmp_path / "one")
    (environment / ".trash-0001-17/lib").mkdir(parents=True)
    (environment / ".trash-0001-17/lib/torch.so").write_bytes(b"old")
    assert _append(environment, base, tmp_path / "two") == one


def test_the_environment_that_is_kept_for_a_rollback_is_no_part_of_the_image(
    tmp_path: Path, base: Path, environment: Path
) -> None:
    """An image is rolled back by its tag; the older one made it twice as large."""
    one = _append(environment, base, tmp_path / "one")
    (environment / "envs/0000/lib").mkdir(parents=True)
    (environment / "envs/0000/lib/torch.so").write_bytes(b"old")
    (environment / "envs/0000.verify.json").write_text("{}")
    for folder in (environment, environment / "envs"):  # as a minute later
        os.utime(folder, (2_000_000_000, 2_000_000_000))
    assert _append(environment, base, tmp_path / "two") == one


@pytest.mark.parametrize("words", [(), ("--offline-index",)], ids=["alone", "with its index"])
def test_an_environment_is_whole_in_the_image_as_its_receipt_says(
    tmp_path: Path, base: Path, words: tuple[str, ...]
) -> None:
    """The index that its pip goes by was left out, so that `--check` failed in the image, and each `pip install`."""
    house, prefix = SmallWheelhouse().write(tmp_path / "house"), tmp_path / "npu"
    assert run_installer(house, "--prefix", prefix, "--insecure-no-signature", *words).status == 0
    machine = json.loads((prefix / "current/receipt.json").read_text())["platform"]
    appended = append_environment(
        prefix, base, tmp_path / "out", inside=str(prefix), machine=machine, labels=LABELS
    )
    prefix.rename(tmp_path / "elsewhere")
    with tarfile.open(blob_path(tmp_path / "out", appended.layer)) as archive:
        archive.extractall("/")  # noqa: S202 - made by this test, below its own folder
    done = run_installer(prefix / "current", "--prefix", prefix, "--check")
    assert done.status == 0, done.talk


def test_a_folder_that_cannot_be_looked_into_is_told_and_not_left_out(
    tmp_path: Path, base: Path, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, scan = environment / "envs/0001/closed", os.scandir
    closed.mkdir(parents=True)

    def refusing(place: str | int) -> object:
        if not isinstance(place, int) and Path(place) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(closed))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(PermissionError, match="Permission denied"):
        _append(environment, base, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("machine", "architecture"), [("aarch64", "arm64"), ("x86_64", "amd64")])
def test_the_image_of_the_machine_is_taken(
    tmp_path: Path, base: Path, environment: Path, machine: str, architecture: str
) -> None:
    _append(environment, base, tmp_path / "out.oci", machine)

    assert find_image(tmp_path / "out.oci", machine).platform["architecture"] == architecture
    with pytest.raises(NoImageError, match="has no image for"):
        find_image(tmp_path / "out.oci", "x86_64" if machine == "aarch64" else "aarch64")


def test_a_changed_base_is_refused(tmp_path: Path, base: Path, environment: Path) -> None:
    layer = find_image(base, "aarch64").manifest["layers"][0]
    blob_path(base, layer["digest"]).write_bytes(b"changed")

    with pytest.raises(append.BaseBlobError, match=r"^The base image's blob"):
        _append(environment, base, tmp_path / "out.oci")

    assert not (tmp_path / "out.oci" / "index.json").exists()


def test_what_is_not_installed_or_no_layout_is_refused(tmp_path: Path, base: Path, environment: Path) -> None:
    with pytest.raises(append.NotInstalledError, match="holds no finished environment"):
        _append(tmp_path, base, tmp_path / "out.oci")
    with pytest.raises(NoImageError, match="is not a readable OCI image layout"):
        _append(environment, tmp_path, tmp_path / "out.oci")


@pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed")
def test_umoci_unpacks_the_image(tmp_path: Path, base: Path, environment: Path) -> None:
    _append(environment, base, tmp_path / "out.oci")

    subprocess.run(
        ["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/out.oci:out", f"{tmp_path}/bundle"],
        check=True,
        capture_output=True,
    )

    root = tmp_path / "bundle" / "rootfs"
    assert (root / "etc" / "machine").read_bytes() == b"arm64"
    assert (root / "opt/sglang-npu/current/lib/module.py").read_text() == "x = 1\n"


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_copies_the_image(tmp_path: Path, base: Path, environment: Path) -> None:
    appended = _append(environment, base, tmp_path / "out.oci")

    subprocess.run(
        ["skopeo", "copy", "--insecure-policy", f"oci:{tmp_path}/out.oci:out", f"dir:{tmp_path}/copy"],
        check=True,
        capture_output=True,
    )

    copied = json.loads((tmp_path / "copy" / "manifest.json").read_text())
    assert [layer["digest"] for layer in copied["layers"]][-1] == appended.layer
