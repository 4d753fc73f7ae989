"""Every changed bundle, given to the installer on a node where something is installed and in use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bundle_fixtures import Draft
from tampering import TAMPERINGS, Scene

from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node.install import program as install


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment in use, installed from serial 7."""
    folder = tmp_path / "prefix"
    environment = folder / "envs" / "0001"
    environment.mkdir(parents=True)
    (environment / "module.py").write_text("x = 1\n")
    (environment / "receipt.json").write_text(json.dumps({"serial": 7}))
    (folder / ".sglang-npu-prefix").touch()
    (folder / "current").symlink_to("envs/0001")
    return folder


def _state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


@pytest.mark.parametrize("name", TAMPERINGS)
def test_nothing_is_installed_from_a_changed_bundle_and_the_running_environment_is_untouched(
    name: str, draft: Draft, signer: Signer, stranger: Signer, prefix: Path, tmp_path: Path
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    path = TAMPERINGS[name](Scene(draft=draft, stranger=stranger, folder=media))
    before = _state(prefix)

    words = ["--prefix", str(prefix), "--bundle", str(path), "--trusted-key", signer.fingerprint]
    status = install.main(words)

    assert status == 5
    assert _state(prefix) == before
