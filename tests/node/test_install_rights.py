"""Who may install where: an ordinary user without a network, a folder that is not theirs, two runs at once."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.node.host import pythons
from ascend_wheelhouse.node.install import program, trash

NOBODY = 65534


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="wheelhouse-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def as_an_ordinary_user(home: Path) -> list[str | Path]:
    """Return what runs a command without a network and with no more rights than an ordinary user has."""
    clean = ["env", "-i", f"HOME={home}", "PATH=/usr/bin:/bin"]
    if os.geteuid() != 0:
        return ["unshare", "--user", "--net", *clean]
    shutil.chown(home, NOBODY, NOBODY)
    return ["unshare", "--net", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *clean]


@pytest.mark.skipif(not Path("/usr/bin/python3.11").exists(), reason="wants the system's own Python 3.11")
def test_an_ordinary_user_installs_with_the_systems_python_and_no_network(public: Path) -> None:
    house = SmallWheelhouse(cell={"python": "3.11"}, whole_uv=True).write(public / "house")
    home = public / "home"
    home.mkdir()
    command = [*as_an_ordinary_user(home), "/usr/bin/python3.11", house / "install.py"]
    options: list[str | Path] = ["--prefix", home / "npu", "--insecure-no-signature"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    asked: list[str | Path] = [home / "npu/run", "python", "-c", "import alpha; print(alpha.__file__)"]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert Path(shown.strip()).is_relative_to(home / "npu/envs/0001")
    assert sorted(path.name for path in home.iterdir()) == ["npu"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_the_user_may_not_write_is_refused_with_a_way_out(public: Path) -> None:
    house = SmallWheelhouse(cell={"python": "3.11"}).write(public / "house")
    home = public / "home"
    home.mkdir()
    command = [*as_an_ordinary_user(home), "/usr/bin/python3.11", house / "install.py"]
    options: list[str | Path] = ["--prefix", public / "npu", "--insecure-no-signature"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 10
    assert "Next: --prefix ~/sglang-npu, or the same command with sudo" in done.stderr
    assert not (public / "npu").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("what", ["install", "--doctor"])
def test_a_home_and_a_cann_that_the_user_may_not_look_into_count_as_absent(public: Path, what: str) -> None:
    """`sudo -u` keeps the caller's HOME where it is told to; drivers are installed for a group."""
    house = SmallWheelhouse(cell={"python": "3.11"}, whole_uv=True).write(public / "house")
    home, closed = public / "home", public / "closed"
    home.mkdir()
    (closed / "Ascend/cann-8.5.0").mkdir(parents=True)
    closed.chmod(0o700)
    command = [*as_an_ordinary_user(home), f"HOME={closed}", f"ASCEND_HOME_PATH={closed}/Ascend/cann-8.5.0"]
    options = [what] if what != "install" else ["--prefix", home / "npu", "--insecure-no-signature"]
    done = subprocess.run(
        [*command, "/usr/bin/python3.11", house / "install.py", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Permission denied" not in done.stdout + done.stderr
    assert done.returncode in ({0} if what == "install" else {0, 9, 10}), done.stderr


@pytest.mark.parametrize("own", ["", "/home/me"], ids=["for all", "of one user"])
def test_a_python_that_other_users_cannot_reach_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], own: str
) -> None:
    """With pyenv of root an install ended well, and a service under another user got "Permission denied"."""
    house = SmallWheelhouse().write(tmp_path / "house")

    def closed(path: Path) -> str:
        return "/root" if path.name == "python" else own

    monkeypatch.setattr(pythons, "closed_folder", closed)
    monkeypatch.setattr(trash, "empty", lambda _root, **_how: None)
    words = [f"--bundle={house}", f"--prefix={tmp_path / 'npu'}", "--insecure-no-signature"]
    assert program.main(words) == 0
    assert ("/root is closed to other users" in capfd.readouterr().err) is not bool(own)


def test_the_folder_that_keeps_others_from_a_file_is_found_behind_links(public: Path) -> None:
    (public / "closed/deep").mkdir(parents=True)
    (public / "closed/deep/python").touch()
    (public / "link").symlink_to(public / "closed/deep/python")
    assert pythons.closed_folder(public / "link") == ""
    (public / "closed").chmod(0o750)
    assert pythons.closed_folder(public / "link") == str(public / "closed")
    assert pythons.closed_folder(public / "house") == ""


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nothing_of_an_install_can_be_written_by_everybody(tmp_path: Path, umask: int) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    before = os.umask(umask)
    try:
        assert run_installer(house, "--prefix", tmp_path / "npu", "--insecure-no-signature").status == 0
    finally:
        os.umask(before)
    for _ in range(300):  # what was thrown away is removed by a process of its own
        if not list((tmp_path / "npu").glob(".trash-*")):
            break
        time.sleep(0.1)
    every = [tmp_path / "npu", *(tmp_path / "npu").rglob("*")]
    open_to_all = [one for one in every if not one.is_symlink() and one.stat().st_mode & stat.S_IWOTH]
    assert open_to_all == []


def test_two_installs_do_not_work_in_one_prefix(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    prefix = tmp_path / "npu"
    run_installer(house, "--prefix", prefix, "--insecure-no-signature")
    with (prefix / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        answer = run_installer(house, "--prefix", prefix, "--insecure-no-signature", "--reinstall")
    assert (answer.status, answer.facts["error"]) == (10, "PrefixBusyError")
    assert run_installer(house, "--prefix", prefix, "--insecure-no-signature", "--reinstall").status == 0


def test_an_older_python_is_told_what_is_needed() -> None:
    """The launcher must be readable by a Python that cannot run the rest."""
    text = (Path(__file__).parents[2] / "src/ascend_wheelhouse/node/launch.py").read_text()
    assert "annotations" not in text
    ast.parse(text, feature_version=(3, 4))
    assert text.index("sys.version_info") < text.index('"node.install.program"')


def test_an_older_python_is_told_in_three_parts_and_as_an_object(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    old = "import runpy, sys; sys.version_info = (3, 8, 2); sys.argv[:1] = []"
    program = f"{old}; runpy.run_path(sys.argv[0], run_name='__main__')"
    words: list[str | Path] = [
        sys.executable,
        "-I",
        "-c",
        program,
        house / "install.py",
        "--prefix",
        "a b",
        "--json",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 10, done.stderr
    told = json.loads(done.stdout)
    assert (told["error"], told["exit_code"]) == ("OldPythonError", 10)
    assert told["next"] == "python3.11 -I install.py --prefix 'a b' --json"
    parts = [told["what"], told["why"], f"Next: {told['next']}"]
    assert done.stderr == "error: " + "\n\n".join(parts) + "\n"
    assert told["what"] == "Python 3.11 or newer is needed; this one is 3.8."
    assert subprocess.run(words[:-1], capture_output=True, check=False).stdout == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("act", ["--rollback", "--uninstall"])
def test_who_may_not_change_a_prefix_is_not_told_to_name_another(public: Path, act: str) -> None:
    house = SmallWheelhouse(cell={"python": "3.11"}, whole_uv=True).write(public / "house")
    for words in ((), ("--reinstall",)):
        answer = run_installer(house, "--prefix", public / "npu", "--insecure-no-signature", *words)
        assert answer.status == 0, answer.talk
    home = public / "home"
    home.mkdir()
    command = [*as_an_ordinary_user(home), "/usr/bin/python3.11", house / "install.py"]
    done = subprocess.run(
        [*command, "--prefix", public / "npu", act], capture_output=True, text=True, check=False
    )
    assert done.returncode == 10
    assert "Next: the same command with sudo, or as the user who installed it" in done.stderr
    assert "~/sglang-npu" not in done.stderr
