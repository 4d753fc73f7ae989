"""A folder of files, as a carried disk holds them: each is imported for itself."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from making_packages import makeself
from tiny_wheels import write_wheel

from ascend_wheelhouse.handover.vendor_folder import take_folder
from ascend_wheelhouse.store.vendored import VendoredRecord

INVOKE = Path(sys.executable).with_name("invoke")
ROOT = Path(__file__).parents[2]
TOOLKIT = "Ascend-cann-toolkit_8.5.0_linux-aarch64.run"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Return a folder with a package, a wheel, a kernel wheel of which too little is told, and a text."""
    (folder := tmp_path / "a disk").mkdir()
    (folder / TOOLKIT).write_bytes(makeself())
    write_wheel(folder, "certifi-2026.1.1-py3-none-any.whl")
    write_wheel(folder, "deep_ep-1.0.0+3f61eab6-cp311-cp311-linux_aarch64.whl")
    (folder / "notes.txt").write_text("carried by hand")
    (folder / ".hidden.whl").write_text("no wheel")
    return folder


def vendor(store: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [INVOKE, "-r", ROOT, "vendor", *words],
        env={"PATH": "/usr/bin:/bin", "HOME": str(store.parent), "WHEELHOUSE_STORE": str(store)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_file_is_imported_and_one_that_is_refused_keeps_no_other_out(tmp_path: Path, disk: Path) -> None:
    done = vendor(tmp_path / "store", disk)
    assert done.returncode == 2, done.stderr
    assert "cann-toolkit" in done.stdout
    assert "passed over, of no kind that is imported: notes.txt" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("2 files imported; not imported: deep_ep-")
    assert "deep_ep-1.0.0+3f61eab6" in done.stderr
    again = vendor(tmp_path / "store", disk, "--json")
    document = json.loads(again.stdout)
    assert sorted(one["component"] for one in document["imported"]) == ["", "cann-toolkit"]
    assert [one["exit_code"] for one in document["failed"]] == [2]
    assert document["passed_over"] == ["notes.txt"]


def test_what_is_said_of_the_cell_holds_for_all_and_what_is_of_one_file_is_refused(
    tmp_path: Path, disk: Path
) -> None:
    next(disk.glob("deep_ep*")).unlink()
    done = vendor(tmp_path / "store", disk, "--npu", "a3", "--torch", "2.8.0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 files imported"
    refused = vendor(tmp_path / "store", disk, "--version", "8.5.0", "--sha256", "0" * 64)
    assert refused.returncode == 2
    assert "--version and --sha256 can be true of one alone" in " ".join(refused.stderr.split())


def test_the_wheels_of_a_wheelhouse_and_an_empty_folder_are_not_taken(tmp_path: Path, disk: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    inside = vendor(tmp_path / "store", disk)
    assert inside.returncode == 2
    assert "is a part of a wheelhouse" in " ".join(inside.stderr.split())
    (empty := tmp_path / "empty").mkdir()
    none = vendor(tmp_path / "store", empty)
    assert none.returncode == 2
    assert "is not a wheelhouse" in " ".join(none.stderr.split())
    assert not (tmp_path / "store/vendored").exists()


def test_a_file_that_may_not_be_read_keeps_no_other_out(tmp_path: Path) -> None:
    """What was imported before it was not told, and the rest was not looked at."""
    (tmp_path / "a.whl").touch()
    (tmp_path / "b.whl").touch()

    def take(path: Path) -> tuple[VendoredRecord, ...]:
        if path.name == "a.whl":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return ()

    taken = take_folder(tmp_path, take, [])
    assert [name for name, _ in taken.failed] == ["a.whl"]
    assert taken.exit_code == 10
