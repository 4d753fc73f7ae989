"""Whatever the files that a node reads back hold, its tools end with a code of their own and say what to do."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcome import Ended, require_code, require_told, run
from small_wheelhouse import SmallWheelhouse, package
from spoiling import fuzzed, jsons, texts

from ascend_wheelhouse.node.install import program

SERIAL = 3


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with two environments, as two installs left them but for the interpreters in them."""
    root = tmp_path_factory.mktemp("node") / "prefix"
    for name in ("0001", "0002"):
        site = root / "envs" / name / "lib" / "python3.11" / "site-packages" / "alpha"
        site.mkdir(parents=True)
        (site / "__init__.py").write_text("")
        (root / "envs" / name / "receipt.json").write_text(json.dumps(receipt(name)))
    (root / ".sglang-npu-prefix").touch()
    (root / "current").symlink_to("envs/0002")
    return root


def receipt(name: str) -> dict[str, Any]:
    """Return a receipt as the installer writes it."""
    files = {"lib/python3.11/site-packages/alpha/__init__.py": hashlib.sha256(b"").hexdigest()}
    return {
        "schema": 1,
        "stack": "small",
        "platform": "x86_64",
        "serial": SERIAL,
        "manifest": "1" * 64,
        "signer": None,
        "cell": {"cann": "8.3.RC2"},
        "findings": [],
        "previous": "0001" if name == "0002" else None,
        "environment": name,
        "distributions": ["alpha-1.0"],
        "files": files,
    }


def installer(*words: str | Path) -> Ended:
    """Run the installer in this process."""
    return run(lambda: program.main([str(word) for word in words]))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small wheelhouse with every part that a manifest can speak of."""
    steps = [{"component": "alpha", "action": "symlink", "path": "a", "target": "b", "why": "a test"}]
    draft = SmallWheelhouse(
        wheels=(package("alpha"),),
        serial=SERIAL,
        post_install=steps,
        environment={"A": "b"},
        pending=[{"component": "cann", "reason": "none", "supply": "none"}],
    )
    return draft.write(tmp_path_factory.mktemp("small") / "wheelhouse")


@fuzzed
@given(data=jsons(receipt("0002")))
def test_any_receipt_is_checked_or_refused(prefix: Path, data: bytes) -> None:
    place = prefix / "envs" / "0002" / "receipt.json"
    place.write_bytes(data)
    ended = installer("--prefix", prefix, "--check")
    require_told(ended)
    assert place.read_bytes() == data


@fuzzed
@given(data=jsons(receipt("0002")), older=jsons(receipt("0001")) | st.just(b""))
def test_any_receipt_is_gone_back_from_or_refused(prefix: Path, data: bytes, older: bytes) -> None:
    (prefix / "envs" / "0002" / "receipt.json").write_bytes(data)
    (prefix / "envs" / "0001" / "receipt.json").write_bytes(older or json.dumps(receipt("0001")).encode())
    ended = installer("--prefix", prefix, "--rollback", "--json")
    require_told(ended)
    now = (prefix / "current").readlink().name
    assert now == "0002" or ended.status == 0
    (prefix / "current").unlink()
    (prefix / "current").symlink_to("envs/0002")


@fuzzed
@given(data=st.data())
def test_any_manifest_is_installed_from_or_refused(prefix: Path, small: Path, data: st.DataObject) -> None:
    place = small / "manifest.json"
    good = place.read_bytes()
    spoiled = data.draw(jsons(json.loads(good)))
    fresh = prefix.parent / "fresh"
    place.write_bytes(spoiled)
    try:
        words = (
            "--bundle",
            small,
            "--insecure-no-signature",
            "--dry-run",
            "--payloads",
            "--ascend",
            prefix.parent / "Ascend",
        )
        require_told(installer("--prefix", fresh, *words))
    finally:
        place.write_bytes(good)
    assert not fresh.exists()


PLACES = [
    "/proc/nowhere/x",
    "/dev/null/x",
    "~nobody-here/x",
    "dangling",
    "loop",
    "folder",
    "file",
    "new",
    "new/er",
]
VALUED = ("--prefix", "--bundle", "--base", "--ascend", "--trusted-key", "--installer", "--environment")
FLAGS = (
    "--payloads",
    "--offline-index",
    "--reinstall",
    "--insecure-no-signature",
    "--allow-rollback",
    "--json",
)
INSTEAD = ("--check", "--rollback", "--uninstall", "--doctor", "--dry-run", "--env")


@st.composite
def installer_lines(draw: st.DrawFn, small: Path) -> list[str]:
    """Return a command line of the installer that installs nothing and sets nothing on this host."""
    words = [draw(st.sampled_from(INSTEAD)), *draw(st.lists(st.sampled_from(FLAGS), max_size=3, unique=True))]
    anything = texts.map(lambda text: text.lstrip("/"))  # a test run as root must not write where it likes
    place = st.sampled_from([*PLACES, str(small)]) | anything
    for option in draw(st.lists(st.sampled_from(VALUED), max_size=4, unique=True)):
        value = draw(anything if option == "--prefix" else place)
        words.append(f"{option}={value}")
    return words


@fuzzed
@given(data=st.data())
def test_any_command_line_of_the_installer_ends_with_a_known_code(
    small: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    words = data.draw(installer_lines(small))
    folder = tmp_path_factory.getbasetemp() / "stand" / "here" / "and" / "here"
    folder.mkdir(parents=True)
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").mkdir()
    (folder / "file").write_text("x")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ended = installer(*words)
    shutil.rmtree(tmp_path_factory.getbasetemp() / "stand")
    (require_code if "--doctor" in words else require_told)(ended)
