from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_fixtures import FILES, TORCH, write_wheelhouse

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.bundle.command import bundle_command, list_bundle, verify_bundle
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node.install import program as install


@pytest.fixture
def image(tmp_path: Path, wheelhouse: Path, signer: Signer) -> Path:
    """A bundle as an image layout."""
    result = bundle_command(wheelhouse, out=tmp_path / "b.oci", oci=True, sign_key=signer.path, serial=4)
    return result.paths[0]


def _blob(image: Path, descriptor: dict[str, Any]) -> Path:
    return image / "blobs" / "sha256" / str(descriptor["digest"]).removeprefix("sha256:")


def _manifest(image: Path) -> dict[str, Any]:
    (entry,) = json.loads((image / "index.json").read_text())["manifests"]
    document = json.loads(_blob(image, entry).read_text())
    assert isinstance(document, dict)
    return document


def test_every_blob_has_the_digest_and_size_that_name_it(image: Path) -> None:
    document = _manifest(image)

    for descriptor in [document["config"], *document["layers"]]:
        data = _blob(image, descriptor).read_bytes()
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert descriptor["size"] == len(data)
    assert json.loads((image / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


def test_layers_are_titled_with_the_paths_of_the_wheelhouse(image: Path) -> None:
    titles = [layer["annotations"]["org.opencontainers.image.title"] for layer in _manifest(image)["layers"]]

    assert set(titles) >= set(FILES)
    assert titles[:3] == ["manifest.json", "manifest.json.sig", "provenance.dsse.json"]


def test_an_artifact_says_its_type_cell_and_serial(image: Path) -> None:
    document = _manifest(image)

    assert document["artifactType"] == "application/vnd.ascend-wheelhouse.bundle.v1"
    assert document["annotations"]["ascend-wheelhouse.cell.cann"] == "8.3.RC2"
    assert document["annotations"]["org.opencontainers.image.version"] == "4"


def test_the_layout_itself_lists_and_verifies(image: Path, signer: Signer) -> None:
    assert {file.path for file in list_bundle(image).files} == set(FILES)
    assert verify_bundle(image, trusted_key=signer.fingerprint).serial == 4


def test_equal_wheelhouses_give_equal_layouts(tmp_path: Path, wheelhouse: Path, signer: Signer) -> None:
    first, second = (
        bundle_command(wheelhouse, out=tmp_path / f"{name}.oci", oci=True, sign_key=signer.path, serial=4)
        for name in "ab"
    )

    def content(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    trees = [content(result.paths[0]) for result in (first, second)]
    names = [tree.pop("index.json").replace(b"a.oci", b"").replace(b"b.oci", b"") for tree in trees]
    assert trees[0] == trees[1]
    assert names[0] == names[1]


def test_an_unfinished_layout_is_finished_by_the_next_run(
    tmp_path: Path, wheelhouse: Path, image: Path
) -> None:
    del wheelhouse
    whole = {path: path.read_bytes() for path in image.rglob("*") if path.is_file()}
    (image / "index.json").unlink()
    for blob in sorted((image / "blobs" / "sha256").iterdir())[:4]:
        blob.write_bytes(blob.read_bytes()[:10])

    with pytest.raises(errors.IntegrityError, match="was not finished"):
        list_bundle(image)
    key = next(tmp_path.parent.glob("keys*/trusted"))
    bundle_command(tmp_path / "wheelhouse", out=image, oci=True, sign_key=key, serial=4)

    assert {path: path.read_bytes() for path in image.rglob("*") if path.is_file()} == whole


def _no_layers(document: dict[str, Any]) -> None:
    document["layers"] = []


def _climbing(document: dict[str, Any]) -> None:
    document["layers"][-1]["annotations"]["org.opencontainers.image.title"] = "../../evil"


def _untitled(document: dict[str, Any]) -> None:
    del document["layers"][-1]["annotations"]


def _twice(document: dict[str, Any]) -> None:
    document["layers"].append(document["layers"][-1])


def _exchanged(document: dict[str, Any]) -> None:
    document["layers"][-1]["digest"] = document["layers"][-2]["digest"]


def _climbing_digest(document: dict[str, Any]) -> None:
    document["layers"][-1]["digest"] = "sha256:../../../../etc/passwd"


def _lacking(document: dict[str, Any]) -> None:
    document["layers"].pop()


@pytest.mark.parametrize(
    "change", [_no_layers, _climbing, _untitled, _twice, _exchanged, _climbing_digest, _lacking]
)
def test_a_changed_layout_is_refused(
    image: Path, signer: Signer, change: Callable[[dict[str, Any]], None]
) -> None:
    document = _manifest(image)
    change(document)
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (image / "blobs" / "sha256" / digest).write_bytes(data)
    index = json.loads((image / "index.json").read_text())
    index["manifests"][0]["digest"] = f"sha256:{digest}"
    (image / "index.json").write_text(json.dumps(index))

    with pytest.raises(errors.IntegrityError):
        verify_bundle(image, trusted_key=signer.fingerprint)


def test_a_changed_blob_is_refused(image: Path, signer: Signer) -> None:
    path = image / "blobs" / "sha256" / hashlib.sha256(FILES[TORCH]).hexdigest()
    path.write_bytes(b"evil!" * 3001)

    with pytest.raises(errors.IntegrityError, match=r"torch-2\.8\.0"):
        verify_bundle(image, trusted_key=signer.fingerprint)


def test_a_changed_wheelhouse_is_not_written(tmp_path: Path) -> None:
    folder = write_wheelhouse(tmp_path / "w")
    (folder / TORCH).write_bytes(b"x")

    with pytest.raises(errors.IntegrityError, match=r"torch-2\.8\.0"):
        bundle_command(folder, out=tmp_path / "b.oci", oci=True, serial=1)

    assert not (tmp_path / "b.oci" / "index.json").exists()


def _own_wheelhouse(image: Path) -> None:
    write_wheelhouse(image, {**FILES, TORCH: b"evil"})


def _tools(image: Path) -> None:
    (image / "tools").mkdir()
    (image / "tools" / "uv-9-py3-none-any.whl").write_bytes(b"evil")


def _empty_folder(image: Path) -> None:
    (image / "wheels").mkdir()


def _blob_too_many(image: Path) -> None:
    (image / "blobs" / "sha256" / hashlib.sha256(b"evil").hexdigest()).write_bytes(b"evil")


def _other_algorithm(image: Path) -> None:
    (image / "blobs" / "sha512").mkdir()


def _link(image: Path) -> None:
    (image / "requirements.aarch64.txt").symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    "plant", [_own_wheelhouse, _tools, _empty_folder, _blob_too_many, _other_algorithm, _link]
)
def test_whatever_lies_beside_a_sound_layout_is_refused(
    image: Path, signer: Signer, tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    plant(image)

    with pytest.raises(errors.IntegrityError):
        verify_bundle(image, trusted_key=signer.fingerprint)
    words = ["--bundle", str(image), "--prefix", str(tmp_path / "p"), "--trusted-key", signer.fingerprint]
    assert install.main(words) == 5
    assert not (tmp_path / "p").exists()


def test_a_folder_cannot_pass_as_a_layout_and_a_wheelhouse_at_once(
    image: Path, signer: Signer, tmp_path: Path
) -> None:
    folder = write_wheelhouse(tmp_path / "mixed")
    (folder / "oci-layout").write_bytes((image / "oci-layout").read_bytes())

    with pytest.raises(errors.IntegrityError):
        verify_bundle(folder, trusted_key=signer.fingerprint)


def test_a_layout_with_blobs_of_an_older_bundle_is_told_how_it_becomes_sound(
    image: Path, wheelhouse: Path, signer: Signer
) -> None:
    """The first versions left them there; to copy such a layout does not help."""
    old = image / "blobs/sha256" / hashlib.sha256(b"old").hexdigest()
    old.write_bytes(b"old")
    with pytest.raises(errors.WheelhouseError, match="does not name") as caught:
        verify_bundle(image, trusted_key=signer.fingerprint)
    assert "write it anew by the same command with --oci" in caught.value.next_step

    bundle_command(wheelhouse, out=image, oci=True, sign_key=signer.path, serial=5)
    assert verify_bundle(image, trusted_key=signer.fingerprint).serial == 5
