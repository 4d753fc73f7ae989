"""A prefix by another of its names is the same prefix: through a link, over `..`, with blanks."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer

from ascend_wheelhouse.node.install.environment import Prefix

UNSIGNED = "--insecure-no-signature"
VERSION = "import alpha; print(alpha.version)"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    return SmallWheelhouse(wheels=[package("alpha")]).write(tmp_path / "house")


def _below_a_link(root: Path) -> Path:
    (root / "data").mkdir()
    (root / "opt").symlink_to(root / "data")
    return root / "opt/npu"


def _link(root: Path) -> Path:
    (root / "data/npu").mkdir(parents=True)
    (root / "npu").symlink_to(root / "data/npu")
    return root / "npu"


def _over_a_parent(root: Path) -> Path:
    (root / "data/near").mkdir(parents=True)
    return root / "data/near/../npu"


def _over_a_link_and_a_parent(root: Path) -> Path:
    (root / "data/near").mkdir(parents=True)
    (root / "near").symlink_to(root / "data/near")
    return root / "near/../npu"


NAMES = (_below_a_link, _link, _over_a_parent, _over_a_link_and_a_parent)


@pytest.fixture(params=NAMES, ids=lambda make: make.__name__)
def prefix(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    named: Path = request.param(tmp_path)
    return named


def _envs(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "data/npu/envs").iterdir())


def test_an_install_by_any_name_keeps_what_it_installed(house: Path, prefix: Path, tmp_path: Path) -> None:
    answer = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["changed"]) == (0, True), answer.talk
    assert Path(answer.facts["environment"]).is_dir()
    assert run_in(prefix, "python", "-c", VERSION) == "1.0"
    assert _envs(tmp_path) == ["0001"]


@pytest.mark.parametrize(
    "words", [(UNSIGNED,), (UNSIGNED, "--reinstall"), ("--check",), ("--env",)], ids=" ".join
)
def test_what_was_installed_by_one_name_stands_by_another(
    house: Path, prefix: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert run_installer(house, "--prefix", tmp_path / "data/npu", UNSIGNED).status == 0
    answer = run_installer(house, "--prefix", prefix, *words)
    assert answer.status == 0, answer.talk
    assert run_in(tmp_path / "data/npu", "python", "-c", VERSION) == "1.0"
    assert _envs(tmp_path) == (["0001", "0002"] if "--reinstall" in words else ["0001"])


def test_a_relative_name_over_a_parent_is_the_same_prefix(
    house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data/near").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "data/near")
    for _ in range(2):
        answer = run_installer(house, "--prefix", "../npu", UNSIGNED)
        assert answer.status == 0, answer.talk
        assert run_in(tmp_path / "data/npu", "python", "-c", VERSION) == "1.0"
    shutil.rmtree(tmp_path / "data/near")
    monkeypatch.chdir(tmp_path)
    assert run_in(tmp_path / "data/npu", "python", "-c", VERSION) == "1.0"


def test_nothing_is_thrown_away_where_the_environment_in_use_is_none_of_the_prefix(
    house: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "npu"
    for words in ((), ("--reinstall",), ("--reinstall",)):
        assert run_installer(house, "--prefix", prefix, UNSIGNED, *words).status == 0
    shutil.copytree(prefix / "envs/0003", tmp_path / "mine", symlinks=True)
    (prefix / "current").unlink()
    (prefix / "current").symlink_to(tmp_path / "mine")
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status in {0, 5}
    assert {"0002", "0003"} <= {path.name for path in (prefix / "envs").iterdir()}


def test_the_printed_commands_can_be_typed_for_a_prefix_with_blanks(house: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "opt \u00fc 'x"
    words = (sys.executable, "-I", house / "install.py", "--prefix", prefix)
    said = subprocess.run([*words, UNSIGNED], capture_output=True, text=True, check=True).stdout
    (following,) = [line.removeprefix("Next: ") for line in said.splitlines() if line.startswith("Next: ")]
    shell = f"{following} && python -c {shlex.quote(VERSION)}"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    entered = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=env, check=True)
    assert entered.stdout.strip() == "1.0"
    victim = next((prefix / "current").glob("lib/python3.*/site-packages/alpha/__init__.py"))
    victim.write_text("version = 'changed'\n")
    checked = subprocess.run([*words, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 5
    (following,) = [
        line.removeprefix("Next: ") for line in checked.stderr.splitlines() if line.startswith("Next: ")
    ]
    mended = shlex.split(following)
    assert mended[1:3] == ["-I", "install.py"]
    subprocess.run([sys.executable, *mended[1:], UNSIGNED], cwd=house, capture_output=True, check=True)
    assert run_in(prefix, "python", "-c", VERSION) == "1.0"


def test_what_is_proposed_where_nothing_is_installed_names_the_bundle_beside(
    house: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(house / "install.py", alone)
    (alone / "a bundle.tar").touch()
    words: list[str | Path] = [
        sys.executable,
        "-I",
        alone / "install.py",
        "--prefix",
        tmp_path / "no where",
        "--check",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    wanted = f"--bundle 'a bundle.tar' --prefix '{tmp_path / 'no where'}'"
    assert wanted in done.stderr


def test_a_home_that_the_shell_left_in_the_words_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Prefix.at(Path("~/npu")).root == tmp_path / "npu"
    assert Prefix.at(Path("~/a/../npu")).root == tmp_path / "npu"
