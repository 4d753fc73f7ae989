from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from toolchain_locks import package, toolchain_lock

from ascend_wheelhouse.base.artifact import as_row
from ascend_wheelhouse.locks.toolchain_lock import (
    BadToolchainLockError,
    path_of,
    read_toolchain,
    write_toolchain,
)


def toolchain_file() -> dict[str, Any]:
    """Return a row of a lock."""
    return as_row(package("make_4.3-4.1_arm64.deb", "system"))


def toolchain_text(**others: object) -> str:
    """Return a lock called `gcc-13` in which some facts are other ones."""
    facts = asdict(toolchain_lock()) | {"name": "gcc-13", "schema": 1, "files": [toolchain_file()]}
    return tomli_w.dumps(facts | others)


def test_a_lock_that_another_version_adds_to_is_read(tmp_path: Path) -> None:
    path = path_of(tmp_path, "gcc-13")
    path.parent.mkdir()
    path.write_text(toolchain_text(later="x", files=[{**toolchain_file(), "later": "x"}]))
    lock = read_toolchain(tmp_path, "gcc-13")
    assert lock is not None
    assert lock.version_of("system", "make") == "4.3"


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    lock = toolchain_lock()
    write_toolchain(lock, tmp_path)
    assert read_toolchain(tmp_path, lock.name) == lock
    assert read_toolchain(tmp_path, "another") is None


def test_it_holds_no_host_names_and_no_paths_of_this_host(tmp_path: Path) -> None:
    text = write_toolchain(toolchain_lock(), tmp_path).read_text("utf-8")
    assert "://" not in text
    assert str(tmp_path) not in text
    assert 'place = "pool/main/g/gcc/gcc-13-aarch64-linux-gnu_13.3.0-16cross1_amd64.deb"' in text


def test_its_digest_follows_from_every_package_and_from_its_part() -> None:
    lock = toolchain_lock()
    assert toolchain_lock(package("make_4.3-4.1_arm64.deb", "system", b"other")).digest != lock.digest
    assert toolchain_lock(package("make_4.3-4.1_arm64.deb", "sysroot")).digest != lock.digest


def test_versions_are_the_upstreams() -> None:
    assert toolchain_lock().version_of("system", "make") == "4.3"
    assert toolchain_lock().version_of("compiler", "make") == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema = 1",
        "schema = 1\nfiles = [1]",
        "\x00",
        "schema = 1\nfiles = [{}]",
        "x = " + "[" * 5000,
        toolchain_text(gcc=13),
        toolchain_text(name="gcc-11"),
        toolchain_text(glibc="old"),
        toolchain_text(files=[{**toolchain_file(), "filename": "make.deb"}]),
        toolchain_text(files=[{**toolchain_file(), "place": "../../make_1_all.deb"}]),
    ],
)
def test_garbage_is_refused_with_the_command_that_makes_it_anew(tmp_path: Path, text: str) -> None:
    path = path_of(tmp_path, "gcc-13")
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(BadToolchainLockError) as caught:
        read_toolchain(tmp_path, "gcc-13")
    assert "invoke toolchain --lock" in caught.value.next_step


def test_a_file_name_with_a_path_in_it_is_refused(tmp_path: Path) -> None:
    path = write_toolchain(toolchain_lock(), tmp_path)
    path.write_text(path.read_text().replace('filename = "make_4.3', 'filename = "../make_4.3'))
    with pytest.raises(BadToolchainLockError, match="is no lock of a toolchain"):
        read_toolchain(tmp_path, path.stem)
