"""An uninstall removes what it can, and says what it could not or must not remove."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.node.install.environment import MARKER

NOBODY = 65534
PYTHON = Path("/usr/bin/python3.11")
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", "-u", "USER")
only_root = pytest.mark.skipif(
    os.geteuid() != 0 or not PYTHON.exists(), reason="only root can become somebody else"
)


@pytest.fixture
def prefix() -> Iterator[Path]:
    """A prefix of an ordinary user, with one environment that holds a folder and a file in it."""
    with tempfile.TemporaryDirectory(prefix="wheelhouse-test-") as name:
        Path(name).chmod(0o755)
        place = Path(name, "home/npu")
        (place / "envs/0001/cache").mkdir(parents=True)
        for file in (MARKER, "envs/0001/receipt.json", "envs/0001/cache/kernel"):
            (place / file).touch()
        for path in (place.parent, place, *place.rglob("*")):
            shutil.chown(path, NOBODY, NOBODY)
        yield place


_ON_ANOTHER_DISK = """
set -e
prefix=$1/npu; disk=$1/disk; mkdir -p "$disk"; mount -t tmpfs tmpfs "$disk"
install() { "$3" -I "$1/$2/install.py" --prefix "$prefix" --insecure-no-signature; }
install "$1" first "$2"
mkdir "$disk/envs" "$disk/envs/lost+found"; mv "$prefix"/envs/* "$disk/envs/"
rmdir "$prefix/envs"; ln -s "$disk/envs" "$prefix/envs"
install "$1" second "$2"; touch "$disk/envs/0001.verify.json"
install "$1" third "$2"
ls "$disk/envs"
"$2" -I "$1/third/install.py" --prefix "$prefix" --uninstall
ls "$disk/envs"; ls "$1"
"""


def test_environments_behind_a_link_on_another_disk_are_removed_as_all_are(tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        SmallWheelhouse(stack=name).write(tmp_path / name)
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _ON_ANOTHER_DISK, "sh"]
    done = subprocess.run(
        [*words, str(tmp_path), sys.executable], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    installed = told.index(f"Next: . {tmp_path}/npu/activate", told.index("third is installed"))
    assert told[installed + 1 : installed + 4] == ["0002", "0003", "lost+found"]
    assert told[installed + 4].startswith(f"removed {tmp_path}/npu")
    assert told[installed + 5] == "lost+found"
    assert "npu" not in told[installed + 6 :]


def uninstall(prefix: Path) -> tuple[int, dict[str, Any]]:
    """Run `--uninstall` as the ordinary user and return the exit code and the answer."""
    installer = prefix.parents[1] / "install.py"
    installer.write_bytes(build_installer())
    words: list[str | Path] = [
        *AS_NOBODY,
        PYTHON,
        "-I",
        installer,
        "--json",
        "--prefix",
        prefix,
        "--uninstall",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


@only_root
def test_a_folder_that_was_made_read_only_is_removed_too(prefix: Path) -> None:
    (prefix / "envs/0001/cache").chmod(0o555)
    status, facts = uninstall(prefix)
    assert (status, facts) == (0, {"changed": True, "left": []})
    assert not prefix.exists()


@only_root
def test_what_cannot_be_removed_is_told_and_the_prefix_stays_one_of_this_tool(prefix: Path) -> None:
    shutil.chown(prefix / "envs/0001/cache", "root")
    status, facts = uninstall(prefix)
    assert (status, facts["error"]) == (10, "TrashStaysError"), facts
    (left,) = prefix.glob(".trash-*")
    assert facts["next"] == f"sudo rm -rf -- {left}"
    subprocess.run(facts["next"].removeprefix("sudo ").split(), check=True)
    assert uninstall(prefix)[0] == 0
    assert not prefix.exists()


@only_root
def test_an_environment_of_another_user_is_in_no_installs_way(prefix: Path) -> None:
    for name in ("0002", "0003", "0004"):
        shutil.copytree(prefix / "envs/0001", prefix / "envs" / name)
        shutil.chown(prefix / "envs" / name, "root" if name == "0002" else NOBODY, NOBODY)
        (prefix / f"envs/{name}/receipt.json").write_text('{"previous": "0003"}')
    (prefix / "current").symlink_to("envs/0004")
    pruning = f"""
from pathlib import Path
from node.install.environment import Prefix
print(Prefix.at(Path({str(prefix)!r})).prune())"""
    installer = prefix.parents[1] / "install.py"
    installer.write_bytes(build_installer())
    words: list[str | Path] = [*AS_NOBODY, f"PYTHONPATH={installer}", PYTHON, "-P", "-c", pruning]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout == "['0001']\n", done.stderr
    assert sorted(path.name for path in (prefix / "envs").iterdir()) == ["0002", "0003", "0004"]


def test_what_is_not_of_this_tool_stays_and_is_told(tmp_path: Path) -> None:
    house, prefix = SmallWheelhouse().write(tmp_path / "house"), tmp_path / "npu"
    (prefix / "envs").mkdir(parents=True)
    (prefix / MARKER).touch()
    (prefix / "notes.txt").touch()
    answer = run_installer(house, "--prefix", prefix, "--uninstall")
    assert (answer.status, answer.facts) == (0, {"changed": True, "left": ["notes.txt"]}), answer.talk
    assert [path.name for path in prefix.iterdir()] == ["notes.txt"]
