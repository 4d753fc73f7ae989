"""What the bundle of the program is made from, and what it refuses; that it works is `test_far_side.py`'s."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from index_server import serving
from program_rig import Installed
from small_world import furnish
from small_world import wheel as wheel_of

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make import tool_wheelhouse
from ascend_wheelhouse.store.store import Store

pytest_plugins = ["program_fixtures"]
_WRITE = "import sys; from ascend_wheelhouse.make.own_wheel import own_wheel; sys.stdout.buffer.write(own_wheel()[1])"


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.endswith((".dist-info/RECORD", ".dist-info/WHEEL"))
        }


def test_the_carried_wheel_is_the_built_one(
    installed_program: Installed, wheel: Path, tmp_path: Path
) -> None:
    written = [
        subprocess.run(
            [sys.executable, "-c", _WRITE],
            cwd=tmp_path,
            env=installed_program.environ,
            capture_output=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert written[0] == written[1]
    (tmp_path / "own.whl").write_bytes(written[0])
    assert _contents(tmp_path / "own.whl") == _contents(wheel)


def test_a_file_that_the_lock_does_not_name_is_refused(installed_program: Installed, tmp_path: Path) -> None:
    other = Installed(place=tmp_path / "place", home=tmp_path / "home")
    shutil.copytree(installed_program.place, other.place)
    (other.place / "ascend_wheelhouse/data/lockfiles/tool.txt").write_text(
        f"tqdm==4.0 \\\n    --hash=sha256:{'0' * 64}\n"
    )
    with serving() as index:
        furnish(index)
        settings = {"PIP_INDEX_URL": index.simple, "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "*"}
        done = other.run("bundle", "--tool", "--serial", "1", "--json", cwd=tmp_path, environ=settings)
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["error"] == "ToolFileChangedError"
    assert "tqdm-4.0" in done.stderr
    assert not list(tmp_path.rglob("*.tar"))


def test_a_bundle_holds_the_program_or_a_wheelhouse(installed_program: Installed, tmp_path: Path) -> None:
    done = installed_program.run("bundle", "--tool", "--wheelhouse", "folder", cwd=tmp_path)
    assert done.returncode == 2
    assert "--tool and --wheelhouse exclude each other" in done.stderr


def test_the_program_for_another_python_or_glibc_stands_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = (
        Target(machine="x86_64", npu="a3"),
        Target(machine="x86_64", npu="a3", python=(3, 12)),
        Target(machine="x86_64", npu="a3", glibc=(2, 34)),
    )
    store = Store(tmp_path / "store")
    pip = store.artifact("pip-1.0-py3-none-any.whl", store.add(io.BytesIO(wheel_of("pip", "1.0"))))
    monkeypatch.setattr(tool_wheelhouse, "tool_files", lambda *_: [LockedFile.of(pip, origin="index")])
    made = [tool_wheelhouse.make_tool_wheelhouse(host, tmp_path / "out", store, silent) for host in hosts]
    assert len({*made}) == len(hosts)
    assert made[0].name.endswith("-x86_64")
    assert "py3.12" in made[1].name
    assert "glibc2.34" in made[2].name
