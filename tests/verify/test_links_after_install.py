"""The links that a manifest asks for after the wheels: a host's verification makes those that a node makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.node.install.post_install import UnknownActionError
from ascend_wheelhouse.verify.environment import post_install


def _asked(path: str, target: str) -> dict[str, object]:
    return {"post_install": [{"component": "deep-ep", "action": "symlink", "path": path, "target": target}]}


def test_of_several_files_the_last_is_linked_from_any_folder(tmp_path: Path) -> None:
    """It was the first, where a node takes the last, and a link in a folder led nowhere."""
    for name in ("deep_ep/old/cpp-1.so", "deep_ep/old/cpp-2.so", "inner/own"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    post_install(_asked("inner/cpp.so", "deep_ep/old/cpp-*.so"), tmp_path)
    assert (tmp_path / "inner/cpp.so").read_text() == "deep_ep/old/cpp-2.so"
    post_install(_asked("inner/own", "deep_ep/old/cpp-*.so"), tmp_path)
    assert (tmp_path / "inner/own").read_text() == "deep_ep/old/cpp-2.so"


@pytest.mark.parametrize(
    ("path", "target"), [("../out.so", "a.so"), ("/out.so", "a.so"), ("b.so", "../*.so")]
)
def test_no_link_leaves_the_environment(tmp_path: Path, path: str, target: str) -> None:
    """A wheelhouse that somebody made for it could have a verification write beside its own folder."""
    packages = tmp_path / "environment"
    packages.mkdir()
    (packages / "a.so").touch()
    (tmp_path / "secret.so").touch()
    with pytest.raises(UnknownActionError, match="leaves the environment"):
        post_install(_asked(path, target), packages)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["environment", "secret.so"]
    assert [one.name for one in packages.iterdir()] == ["a.so"]
