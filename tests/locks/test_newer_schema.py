"""What a newer version of this tool wrote is refused by its number, before anything of it is used."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w
from bundle_fixtures import write_wheelhouse
from invoking import ROOT, invoke

from ascend_wheelhouse.locks.lock import load_platform
from ascend_wheelhouse.locks.lock_version import SCHEMA, NewerLockError
from ascend_wheelhouse.locks.pylock import load_pylock
from ascend_wheelhouse.locks.pylock_model import InvalidPylockError
from ascend_wheelhouse.locks.toolchain_lock import every_toolchain
from ascend_wheelhouse.node.install.receipt_file import RECEIPT, NewerReceiptError, read

STACK = "sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-a3"
NEWER = SCHEMA + 1


def spoil(path: Path, schema: int, more: str = "") -> None:
    """State another schema in a TOML file, and put a line below it that this version does not know."""
    text = path.read_text()
    changed = text.replace(f"schema = {schema}\n", f"schema = {schema + 1}\n{more}", 1)
    assert changed != text
    path.write_text(changed)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "lockfiles" / STACK, tmp_path / STACK))


@pytest.mark.parametrize("kind", ["pylock", "sources", "payloads"])
def test_a_lock_of_a_newer_schema_is_refused_with_both_numbers(lock: Path, kind: str) -> None:
    spoil(lock / f"{kind}.aarch64.toml", SCHEMA)
    with pytest.raises(NewerLockError, match=rf"{kind}.aarch64.toml has schema {NEWER}; .* reads {SCHEMA}"):
        load_platform(lock, "aarch64")


def test_so_is_one_that_cannot_be_read_any_more(lock: Path) -> None:
    path = lock / "pylock.aarch64.toml"
    spoil(path, SCHEMA)
    path.write_text(f"new-key = 1\n{path.read_text()}")
    with pytest.raises(NewerLockError, match=f"has schema {NEWER}"):
        load_pylock(path)


def test_a_table_of_this_tool_that_is_none_is_told_as_a_fault_of_the_lock(lock: Path) -> None:
    """Its schema was asked for all the same, which ended in a fault of this tool (70)."""
    path = lock / "pylock.aarch64.toml"
    document = tomllib.loads(path.read_text())
    path.write_text(tomli_w.dumps({**document, "tool": {"ascend-wheelhouse": "1.0"}}))
    with pytest.raises(InvalidPylockError, match="must be a table"):
        load_pylock(path)


def test_so_is_the_lock_of_a_toolchain(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "lockfiles/toolchains", tmp_path / "toolchains")
    for path in (tmp_path / "toolchains").glob("*.toml"):
        spoil(path, 1)
    with pytest.raises(NewerLockError, match=r"has schema 2; .* reads 1"):
        list(every_toolchain(tmp_path))


def with_schema(folder: Path, schema: object) -> Path:
    write_wheelhouse(folder)
    path = folder / "manifest.json"
    document = json.loads(path.read_text()) | {"schema": schema, "tool": "ascend-wheelhouse 0.9.0"}
    path.write_text(json.dumps(document | {"files": {"another": "form"}}))
    return folder


Words = Callable[[Path], tuple[str | Path, ...]]


@pytest.mark.parametrize(
    "words",
    [
        lambda folder: ("bundle", "--list", folder),
        lambda folder: ("bundle", "--verify", folder, "--insecure-no-signature"),
        lambda folder: ("bundle", "--wheelhouse", folder, "--serial", "1", "--out", folder.parent / "b.tar"),
    ],
)
def test_a_newer_wheelhouse_is_not_called_unsound(
    words: Words, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(*words(with_schema(tmp_path / "w", 2))) == 5
    said = capsys.readouterr().err
    assert "manifest.json has schema 2; this version of ascend-wheelhouse reads 1." in said
    assert "A newer version made it, ascend-wheelhouse 0.9.0." in said
    assert "update ascend-wheelhouse on this host" in said
    assert "not sound" not in said


def test_a_schema_that_is_no_number_is_unsound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("bundle", "--list", with_schema(tmp_path / "w", "2")) == 5
    assert "not sound" in capsys.readouterr().err


def test_a_newer_receipt_is_left_to_the_installer_that_wrote_it(tmp_path: Path) -> None:
    (tmp_path / RECEIPT).write_text(json.dumps({"schema": 2, "files": ["another form"]}))
    with pytest.raises(NewerReceiptError, match=r"has schema 2; this install.py reads 1"):
        read(tmp_path)
