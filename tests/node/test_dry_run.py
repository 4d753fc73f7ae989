"""`--dry-run` writes nothing beside any action, and what an action does not read is refused, not passed over."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_installer

from ascend_wheelhouse.node.host import doctor, tuning
from ascend_wheelhouse.node.install import options
from ascend_wheelhouse.node.talk import Talk

UNSIGNED = "--insecure-no-signature"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    return SmallWheelhouse(wheels=[package("alpha")]).write(tmp_path / "house")


@pytest.fixture
def prefix(house: Path, tmp_path: Path) -> Path:
    """A prefix with two environments."""
    folder = tmp_path / "npu"
    for words in ((), ("--reinstall",)):
        assert run_installer(house, "--prefix", folder, UNSIGNED, *words).status == 0
    return folder


def _state(folder: Path) -> dict[str, tuple[int, str]]:
    tops = [path for path in folder.iterdir() if not path.name.startswith(".trash-")]  # removed meanwhile
    every = [path for top in tops for path in (top, *top.rglob("*"))]
    return {
        str(path): (path.lstat().st_mtime_ns, os.fspath(path.readlink()) if path.is_symlink() else "")
        for path in every
    }


def test_a_dry_uninstall_tells_what_would_be_removed_and_removes_nothing(house: Path, prefix: Path) -> None:
    before = _state(prefix)
    answer = run_installer(house, "--prefix", prefix, "--uninstall", "--dry-run")
    assert (answer.status, answer.facts) == (0, {"changed": False, "dry_run": True}), answer.talk
    assert _state(prefix) == before
    words: list[str | Path] = [
        sys.executable,
        "-I",
        house / "install.py",
        "--prefix",
        prefix,
        "--uninstall",
        "--dry-run",
    ]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for name in ("envs/0001", "envs/0002", "current", "activate", "install.log"):
        assert f"- remove {prefix / name}\n" in said


def test_a_dry_rollback_names_the_environment_and_does_not_go_there(house: Path, prefix: Path) -> None:
    before = _state(prefix)
    answer = run_installer(house, "--prefix", prefix, "--rollback", "--dry-run")
    assert (answer.status, answer.facts["changed"]) == (0, False), answer.talk
    assert answer.facts["environment"] == str(prefix / "envs/0001")
    assert _state(prefix) == before


def test_a_dry_uninstall_of_a_foreign_folder_is_refused_and_of_none_is_nothing(
    house: Path, tmp_path: Path
) -> None:
    words = ("--uninstall", "--dry-run")
    assert run_installer(house, "--prefix", tmp_path / "none", *words).status == 0
    assert not (tmp_path / "none").exists()
    assert run_installer(house, "--prefix", house, *words).facts["error"] == "PrefixNotOursError"


def test_a_dry_fix_tells_what_it_would_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setting = tmp_path / "proc/sys/vm/swappiness"
    setting.parent.mkdir(parents=True)
    setting.write_text("60\n")
    doctor.check(tmp_path, "", None, fix=True, dry_run=True, talk=Talk())
    assert "WOULD FIX  vm.swappiness" in capsys.readouterr().out
    assert setting.read_text() == "60\n"
    assert not (tmp_path / "etc").exists()


def test_the_installer_passes_a_dry_run_on_to_the_doctor(house: Path) -> None:
    files = [Path("/") / name for name in (tuning._SYSCTL, tuning._LIMITS)]  # noqa: SLF001
    before = [path.exists() and path.read_text() for path in files]
    answer = run_installer(house, "--doctor", "--fix", "--dry-run")
    assert (answer.facts["changed"], answer.facts["changes"]) == (False, []), answer.talk
    assert [path.exists() and path.read_text() for path in files] == before


@pytest.mark.parametrize(
    ("words", "following"),
    [
        (["--prefix", "P", "--fix"], "--prefix P --doctor --fix"),
        (["--prefix", "P", "--environment", "E"], "--prefix P --env --environment E"),
        (["--prefix", "P", "--verify", "--only", "imports"], ""),
        (["--prefix", "P", "--dry-run", "--verify", "--only", "x"], "--prefix P --verify --only x"),
        (["--prefix", "P", "--check", "--trusted-key", "a b.pub"], "--prefix P --check"),
        (["--prefix", "P", "--check", "--fix"], "--prefix P --check"),
        (["--prefix", "P", "--rollback", "--reinstall"], "--prefix P --rollback"),
        (["--prefix", "P", "--uninstall", "--payloads"], "--prefix P --uninstall"),
        (["--doctor", "--payloads", "--bundle", "a b.tar"], "--bundle 'a b.tar' --doctor"),
        (["--prefix", "P", "--env", "--reinstall", "--json"], "--prefix P --json --env"),
    ],
)
def test_an_option_that_the_action_does_not_read_is_refused(words: list[str], following: str) -> None:
    given = options.parser().parse_args(words)
    if not following:
        options.require_read(given)
        return
    with pytest.raises(options.IgnoredOptionError) as raised:
        options.require_read(given)
    assert raised.value.exit_code == 2
    assert raised.value.why.endswith("Nothing was done.")
    assert raised.value.next_step.partition(" -I install.py ")[2] == following
    options.require_read(options.parser().parse_args(shlex.split(following)))


def test_fix_without_doctor_installs_nothing(house: Path, tmp_path: Path) -> None:
    answer = run_installer(house, "--prefix", tmp_path / "npu", UNSIGNED, "--fix")
    assert (answer.status, answer.facts["error"]) == (2, "IgnoredOptionError")
    assert not (tmp_path / "npu").exists()
