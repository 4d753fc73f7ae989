from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

import pytest

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.signing import Signer, generate_key
from ascend_wheelhouse.image import context
from ascend_wheelhouse.node.reading.bundle_reader import open_bundle

CELL = {"cann": "8.3.RC2", "npu": "a3", "python": "3.11", "torch": "2.8.0"}
FILES = {"install.py": b"print()\n", "wheels/torch-2.8.0-py3-none-any.whl": b"torch"}


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """A wheelhouse of two files."""
    folder = tmp_path / "wheelhouse"
    for path, content in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    files = [
        {
            "path": path,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "kind": "wheel",
            "name": "torch",
            "version": "2.8.0",
            "component": "",
            "origin": "index",
        }
        for path, content in FILES.items()
    ]
    document = {
        "schema": 1,
        "tool": "ascend-wheelhouse 0.1.0",
        "stack": "sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-a3",
        "platform": "aarch64",
        "complete": True,
        "derived": False,
        "cell": CELL,
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """The key that signs the bundle."""
    return generate_key(tmp_path / "key")


def test_the_base_is_canns_image_of_the_cell() -> None:
    assert context.base_image(CELL) == "quay.io/ascend/cann:8.3.rc2-a3-ubuntu22.04-py3.11"
    assert context.base_image(CELL, "openeuler24.03").endswith("-openeuler24.03-py3.11")


def test_the_build_has_no_network_and_the_signature_is_checked_inside(
    tmp_path: Path, wheelhouse: Path, signer: Signer
) -> None:
    bundle = bundle_command(wheelhouse, out=tmp_path / "b.tar", sign_key=signer.path, serial=5).paths[0]

    made = context.write_context(bundle, tmp_path / "context", trusted_key=signer.fingerprint)

    text = (made.folder / "Containerfile").read_text().replace("\\\n", "")
    (step,) = [line for line in text.splitlines() if line.startswith("RUN")]
    assert f"--payloads --trusted-key {signer.fingerprint}" in step
    assert open_bundle(made.folder / "wheelhouse").verify(signer.fingerprint).serial == 5
    assert made.build.startswith(
        "docker build --network=none --platform linux/arm64 --tag sglang-npu:sglang0.5.6.post2-"
    )


@pytest.mark.parametrize(
    "prefix", ["opt/env", "/opt/my env", '/opt/"', "/opt/$HOME", "/", "", "/opt/../etc", "/a\nRUN x"]
)
def test_a_prefix_that_would_break_the_containerfile_is_refused(
    tmp_path: Path, wheelhouse: Path, prefix: str
) -> None:
    with pytest.raises(context.ImagePrefixError):
        context.write_context(wheelhouse, tmp_path / "context", prefix=prefix)
    assert not (tmp_path / "context").exists()


def test_the_wheelhouse_is_mounted_and_not_copied_into_the_image(tmp_path: Path, wheelhouse: Path) -> None:
    made = context.write_context(wheelhouse, tmp_path / "context")

    text = (made.folder / "Containerfile").read_text()
    assert "--mount=type=bind,source=wheelhouse,target=/wheelhouse" in text
    assert "COPY" not in text
    assert "--insecure-no-signature" in text
    assert 'LABEL ascend-wheelhouse.cell.cann="8.3.RC2"' in text


def test_equal_wheelhouses_give_equal_contexts_and_may_be_written_again(
    tmp_path: Path, wheelhouse: Path
) -> None:
    folder = context.write_context(wheelhouse, tmp_path / "context").folder
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "wheelhouse" / "stale").write_text("x")

    context.write_context(wheelhouse, folder)

    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_other_peoples_folders_and_bundles_are_left_alone(
    tmp_path: Path, wheelhouse: Path, signer: Signer
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "diary").write_text("x")

    with pytest.raises(context.ContextExistsError, match="holds other things"):
        context.write_context(wheelhouse, tmp_path / "home")
    with pytest.raises(errors.IntegrityError, match=r"^The bundle is not signed"):
        context.write_context(wheelhouse, tmp_path / "context", trusted_key=signer.fingerprint)


@pytest.mark.parametrize("base", ["", "UPPER", "a b", "x;rm -rf /", "x\nRUN evil"])
def test_what_is_no_image_name_is_refused(tmp_path: Path, wheelhouse: Path, base: str) -> None:
    if not base:
        with pytest.raises(context.BaseImageError, match="does not say its cann, npu, python"):
            context.base_image({})
        return
    with pytest.raises(context.BaseImageError, match="is not the name of an image"):
        context.write_context(wheelhouse, tmp_path / "context", base=base)


def test_the_printed_command_can_be_run_whatever_the_folder_and_the_stack_are_called(
    tmp_path: Path, wheelhouse: Path
) -> None:
    manifest = wheelhouse / "manifest.json"
    manifest.write_text(manifest.read_text().replace("torch2.8.0-cann", "torch2.8.0+own!1-cann"))
    made = context.write_context(wheelhouse, tmp_path / "my images")
    words = shlex.split(made.build)
    assert words[-3:] == ["--file", f"{tmp_path}/my images/Containerfile", f"{tmp_path}/my images"]
    assert f"sglang-npu:{made.tag}" in words
    assert made.tag == "sglang0.5.6.post2-torch2.8.0-own-1-cann8.3.rc2-a3-aarch64"


def test_the_installer_runs_with_the_python_of_the_cell() -> None:
    head = {"stack": "s", "platform": "aarch64", "files": []}
    text = context.containerfile({**head, "cell": {**CELL, "cann": "9.1.0", "python": "3.12"}}, "base", None)
    assert "    python3.12 -I /wheelhouse/install.py --prefix" in text
    assert "python3.11" not in text
    with pytest.raises(
        context.BaseImageError, match=r"^The cell's Python is '3\.12; reboot', which is no version"
    ):
        context.containerfile({**head, "cell": {**CELL, "python": "3.12; reboot"}}, "base", None)


def test_a_delta_is_refused_with_the_command_that_makes_the_whole_bundle(
    tmp_path: Path, wheelhouse: Path, signer: Signer
) -> None:
    """`--base OLD_BUNDLE` was proposed, which is the image to build on here."""
    old = bundle_command(wheelhouse, out=tmp_path / "old.tar", sign_key=signer.path, serial=7).paths[0]
    delta = bundle_command(
        wheelhouse, out=tmp_path / "d.tar", sign_key=signer.path, serial=8, base=old
    ).paths[0]
    with pytest.raises(context.DeltaImageError, match="is a delta") as caught:
        context.write_context(delta, tmp_path / "context", trusted_key=signer.fingerprint)
    assert caught.value.next_step.startswith(
        f"`invoke bundle --rebuild {delta} --base OLD_BUNDLE --out WHOLE.tar "
    )
    assert not (tmp_path / "context").exists()
