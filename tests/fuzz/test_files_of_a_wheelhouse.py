"""Whatever a finished wheelhouse, a report or an image layout hold, a command ends with a code of its own."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from desks import Desk
from hypothesis import given
from hypothesis import strategies as st
from outcome import require_error, require_told
from spoiling import fuzzed, jsons, texts_of, tomls

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.image.layout import NoImageError, find_image
from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.node.verify import program
from ascend_wheelhouse.verify import found

pytest_plugins = ["desk_fixtures"]
MAKE = ("wheelhouse", "--resolver=uv")


@contextmanager
def spoiled(desk: Desk, name: str, data: bytes) -> Iterator[Path]:
    """Put bytes in the place of a file of the wheelhouse, which the tool then takes for unchanged since it made it."""
    state = desk.state
    before = state.read_bytes()
    folder = desk.world.folder
    with desk.holding(folder / name, data):
        record = json.loads(before)
        state.write_text(json.dumps(record | {"files": freshness.stamps(folder)}))
        try:
            yield folder
        finally:
            state.write_bytes(before)


def put_back(desk: Desk) -> None:
    """Have the wheelhouse as it was made, whatever was made of it."""
    if not (desk.world.folder / "manifest.json").is_file():
        assert desk.invoke(*MAKE).status == 0


@fuzzed
@given(data=st.data())
def test_any_manifest_is_read_or_refused(desk: Desk, data: st.DataObject) -> None:
    folder = desk.world.folder
    good = json.loads((folder / "manifest.json").read_text())
    out = desk.world.root / "out"
    command = data.draw(
        st.sampled_from(
            [
                MAKE,
                (*MAKE, "--json", "--strict"),
                ("audit", f"--wheelhouse={folder}"),
                ("bundle", f"--wheelhouse={folder}", "--allow-incomplete", "--serial=1", f"--out={out}"),
                (
                    "bundle",
                    f"--wheelhouse={folder}",
                    "--allow-incomplete",
                    "--serial=1",
                    f"--out={out}",
                    "--oci",
                ),
                ("bundle", f"--wheelhouse={folder}", "--serial=1", "--base", f"{folder}/manifest.json"),
                ("bundle", f"--verify={folder}", "--insecure-no-signature"),
                ("bundle", f"--list={folder}"),
                ("vendor", str(folder)),
                ("image", str(folder), f"--out={out}"),
            ]
        )
    )
    above = {path.name for path in desk.world.root.parent.iterdir()}
    with spoiled(desk, "manifest.json", data.draw(jsons(good))):
        require_told(desk.invoke(*command))
    assert {path.name for path in desk.world.root.parent.iterdir()} == above
    shutil.rmtree(out, ignore_errors=True)


@fuzzed
@given(data=st.data())
def test_any_manifest_is_verified_by_or_refused(desk: Desk, data: st.DataObject) -> None:
    good = json.loads((desk.world.folder / "manifest.json").read_text())
    spoiled_one = data.draw(jsons(good))
    with desk.holding(desk.world.folder / "manifest.json", spoiled_one):
        for read in (
            lambda: found.find(desk.world.folder, desk.world.root),
            lambda: program.read_manifest(desk.world.folder / "manifest.json"),
        ):
            try:
                read()
            except WheelhouseError as error:
                require_error(error)


@fuzzed
@given(data=st.data())
def test_any_list_of_sums_is_checked_or_refused(desk: Desk, data: st.DataObject) -> None:
    good = (desk.world.folder / "SHA256SUMS").read_bytes()
    with spoiled(desk, "SHA256SUMS", data.draw(texts_of(good))):
        require_told(desk.invoke(*MAKE, "--check"))


@fuzzed
@given(data=st.data())
def test_any_state_is_trusted_or_made_again(desk: Desk, data: st.DataObject) -> None:
    state = desk.state
    root = desk.world.root
    with desk.holding(state, data.draw(jsons(json.loads(state.read_text())))):
        found = freshness.fresh(state, root=root, store=desk.world.store, output=root / "wheelhouse")
    assert found in {None, desk.world.folder}


@fuzzed
@given(data=st.data())
def test_any_lock_is_audited_or_refused(desk: Desk, data: st.DataObject) -> None:
    place = desk.world.folder / "pylock.aarch64.toml"
    with desk.holding(place, data.draw(tomls(tomllib.loads(place.read_text())))):
        require_told(desk.invoke("audit", f"--lock={place}", "--json"))


def report() -> dict[str, Any]:
    """Return a report of a verification."""
    passed = {"probe": "files", "verdict": "passed", "seconds": 1.5, "evidence": "fine", "markers": ["host"]}
    failed = {**passed, "probe": "imports", "verdict": "failed", "detail": "a\nb", "figures": {"peak_mib": 3}}
    return {
        "schema": 1,
        "exit_code": 9,
        "wheelhouse": {"stack": "small", "platform": "aarch64", "digest": "1" * 64},
        "cell": {"torch": "2.8.0"},
        "host": {"name": "n", "npus": 0, "verified": "2026-01-01T00:00:00Z", "memory_gib": 3},
        "conditions": {"sealed": True, "require_npu": False},
        "results": [passed, failed],
    }


@fuzzed
@given(data=jsons(report()))
def test_any_report_is_put_on_the_page_or_refused(desk: Desk, data: bytes) -> None:
    folder = desk.world.root / "reports"
    page = desk.world.root / "page.html"
    with desk.holding(folder / "one" / "report.json", data):
        ended = desk.invoke("verify-report", str(folder), f"--out={page}")
    require_told(ended)
    assert ended.status or page.is_file()
    page.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image layout with one image, and the blobs that its index and manifest name."""
    folder = tmp_path_factory.mktemp("layout")
    (folder / "blobs" / "sha256").mkdir(parents=True)
    return folder


CONFIG = {
    "architecture": "arm64",
    "os": "linux",
    "config": {"Labels": {"a": "b"}, "Env": ["A=b"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "3" * 64]},
    "history": [{"created_by": "x"}],
}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": "sha256:" + "2" * 64,
        "size": 1,
    },
    "layers": [
        {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + "3" * 64, "size": 1}
    ],
}
INDEX = {
    "schemaVersion": 2,
    "manifests": [{"mediaType": MANIFEST["mediaType"], "digest": "sha256:" + "1" * 64, "size": 1}],
}


@fuzzed
@given(data=st.data(), which=st.sampled_from(["index", "manifest", "config"]))
def test_any_base_image_is_found_or_refused(layout: Path, data: st.DataObject, which: str) -> None:
    files: dict[str, dict[str, Any]] = {"index": INDEX, "manifest": MANIFEST, "config": CONFIG}
    texts = {name: json.dumps(document).encode() for name, document in files.items()}
    texts[which] = data.draw(jsons(files[which]))
    (layout / "index.json").write_bytes(texts["index"])
    (layout / "blobs/sha256" / ("1" * 64)).write_bytes(texts["manifest"])
    (layout / "blobs/sha256" / ("2" * 64)).write_bytes(texts["config"])
    try:
        image = find_image(layout, "aarch64")
    except NoImageError as error:
        require_error(error)
        return
    assert image.config["architecture"] == "arm64"
    assert all(layer["digest"].startswith("sha256:") for layer in image.manifest["layers"])
