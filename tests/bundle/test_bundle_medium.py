"""A bundle on a disk that is about to be taken out: all of it is there at the end, and a proof reads it there."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bundle_fixtures import FILES, TORCH, write_wheelhouse
from flushed import Flushed

from ascend_wheelhouse.base import medium
from ascend_wheelhouse.base.errors import FileTroubleError, MediumLostError, file_trouble
from ascend_wheelhouse.base.events import Event, JobFinished, JobStarted
from ascend_wheelhouse.bundle.command import bundle_command, verify_bundle
from ascend_wheelhouse.bundle.parts import BundleLostError, FileLimitError
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node.reading.sources import ExtraMemberError

BIG = {**FILES, TORCH: b"t" * 3_000_000}


@pytest.mark.parametrize(
    "options", [{}, {"split": 700_000}, {"oci": True}], ids=["one file", "parts", "image layout"]
)
def test_what_is_told_as_done_is_on_the_medium(
    options: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse, out = write_wheelhouse(tmp_path / "wheelhouse", BIG), tmp_path / "stick"
    flushed = Flushed(monkeypatch)
    ready: list[bool] = []

    def told(event: Event) -> None:
        if isinstance(event, JobFinished) and event.job == "bundle":
            ready.extend(
                flushed.holds(path)
                for path in out.rglob("*")
                if path.is_file() and ".state" not in path.parts
            )

    result = bundle_command(wheelhouse, out=out, serial=1, emit=told, **options)  # type: ignore[arg-type]
    assert ready
    assert all(ready)
    assert all(flushed.holds(path) for path in result.paths if path.is_file())
    assert flushed.times[out.stat().st_ino]


def test_a_long_file_goes_to_the_medium_while_more_of_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(medium, "_BEHIND", 1 << 20)
    wheelhouse, out = write_wheelhouse(tmp_path / "wheelhouse", BIG), tmp_path / "stick"
    flushed = Flushed(monkeypatch)
    (bundle,) = bundle_command(wheelhouse, out=out, serial=1).paths
    assert flushed.times[bundle.stat().st_ino] >= bundle.stat().st_size >> 20


def test_a_medium_that_fails_while_it_is_flushed_is_told_and_leaves_no_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse, out = write_wheelhouse(tmp_path / "wheelhouse", BIG), tmp_path / "stick"

    def fail(_number: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    monkeypatch.setattr(medium, "_BEHIND", 1 << 20)
    with pytest.raises(OSError, match="Input/output"):
        bundle_command(wheelhouse, out=out, serial=1)
    assert not list(out.glob("sglang*"))


@contextmanager
def no_file_longer_than(limit: int) -> Iterator[None]:
    """Have the system refuse longer files, as FAT32 does from 4 GiB on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_medium_that_takes_no_file_so_long_is_told_with_the_option_that_helps(tmp_path: Path) -> None:
    wheelhouse = write_wheelhouse(tmp_path / "wheelhouse", BIG)
    with no_file_longer_than(1_000_000), pytest.raises(FileLimitError) as told:
        bundle_command(wheelhouse, out=tmp_path / "stick", serial=1)
    assert (told.value.exit_code, "--split 4G" in told.value.next_step) == (10, True)
    with no_file_longer_than(1_000_000):
        assert len(bundle_command(wheelhouse, out=tmp_path / "stick", serial=1, split=900_000).paths) > 3
        with pytest.raises(OSError, match="too large") as refused:
            bundle_command(wheelhouse, out=tmp_path / "stick", serial=1, oci=True)
    assert type(file_trouble(refused.value)) is FileTroubleError


def test_a_medium_that_is_taken_out_in_the_midst_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse, out = write_wheelhouse(tmp_path / "wheelhouse", BIG), tmp_path / "stick"
    gone, close = OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN)), os.close

    def refuse(*_told: object) -> None:
        raise gone

    def close_and_refuse(number: int) -> None:
        lock = Path(f"/proc/self/fd/{number}").readlink().suffix == ".lock"
        close(number)
        if lock:  # as a file system by FUSE does whose driver has ended
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    monkeypatch.setattr(medium.Flusher, "wrote", refuse)
    monkeypatch.setattr(os, "close", close_and_refuse)
    with pytest.raises(OSError, match="not connected") as refused:
        bundle_command(wheelhouse, out=out, serial=1)
    told = file_trouble(refused.value)
    assert (type(told), told.exit_code, str(out) in told.what) == (MediumLostError, 10, True)
    assert "mistyped" not in told.why


def test_a_wheelhouse_whose_disk_fails_is_not_told_as_the_medium(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse, out = write_wheelhouse(tmp_path / "wheelhouse", BIG), tmp_path / "stick"

    def fail(*_told: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("ascend_wheelhouse.bundle.tar._write_member", fail)
    with pytest.raises(OSError, match="Input/output") as refused:
        bundle_command(wheelhouse, out=out, serial=1)
    assert (type(file_trouble(refused.value)), refused.value.filename) == (MediumLostError, None)


PUT_THERE = ("._install.py", "wheels/._torch.whl", ".DS_Store", "System Volume Information", "Thumbs.db")


@pytest.mark.parametrize("name", PUT_THERE)
def test_what_a_mac_or_windows_puts_onto_a_medium_is_refused_with_the_command_that_removes_it(
    name: str, tmp_path: Path, signer: Signer
) -> None:
    wheelhouse = write_wheelhouse(tmp_path / "wheelhouse", BIG)
    (bundle,) = bundle_command(wheelhouse, out=tmp_path / "stick", sign_key=signer.path, serial=1).paths
    folder = tmp_path / "a stick"
    folder.mkdir()
    subprocess.run(["tar", "-xf", bundle, "-C", folder], check=True)
    if "." in name:
        (folder / name).write_bytes(b"of a Mac")
    else:
        (folder / name / "inner").mkdir(parents=True)
    with pytest.raises(ExtraMemberError, match=f"does not name: {name}") as told:
        verify_bundle(folder, insecure=True)
    command = told.value.next_step.partition("`")[2].partition("`")[0]
    subprocess.run(["sh", "-c", command], check=True)
    verify_bundle(folder, insecure=True)


def test_a_file_system_that_loses_the_bundle_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheelhouse, out = write_wheelhouse(tmp_path / "wheelhouse", BIG), tmp_path / "stick"
    rename = Path.rename

    def losing(self: Path, target: Path) -> Path:
        """As fusefat 0.1 does: a folder that is renamed is empty afterwards."""
        if self.is_dir():
            for file in self.iterdir():
                file.unlink()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", losing)
    with pytest.raises(BundleLostError, match="not all of it is there"):
        bundle_command(wheelhouse, out=out, serial=1)


@pytest.mark.skipif(not shutil.which("fincore"), reason="fincore is not installed")
@pytest.mark.parametrize("form", ["one file", "parts", "folder"])
def test_a_proof_reads_the_medium_and_not_what_the_copy_left_in_memory(
    form: str, tmp_path: Path, signer: Signer
) -> None:
    wheelhouse = write_wheelhouse(tmp_path / "wheelhouse", BIG)
    split = 700_000 if form == "parts" else None
    paths = bundle_command(
        wheelhouse, out=tmp_path / "stick", sign_key=signer.path, serial=1, split=split
    ).paths
    bundle = paths[0]
    if form == "folder":
        bundle = tmp_path / "unpacked"
        bundle.mkdir()
        subprocess.run(["tar", "-xf", paths[0], "-C", bundle], check=True)
        paths = (bundle / TORCH,)
    for path in paths:
        path.read_bytes()
    if _in_memory(paths) == 0 or not _can_forget(tmp_path):
        pytest.skip("this file system keeps nothing in memory, or all of it")
    resident: list[int] = []

    def told(event: Event) -> None:
        if isinstance(event, JobStarted):
            resident.append(_in_memory(paths))

    verify_bundle(bundle, insecure=True, emit=told)
    assert resident == [0]


def _in_memory(paths: tuple[Path, ...]) -> int:
    command = ["fincore", "--bytes", "--noheadings", "--output", "RES", *map(str, paths)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sum(map(int, said.split()))


def _can_forget(folder: Path) -> bool:
    sample = folder / "sample"
    sample.write_bytes(bytes(1 << 20))
    medium.forget([sample])
    return _in_memory((sample,)) == 0
