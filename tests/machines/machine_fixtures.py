"""What the tests on machines share: a kernel, and a project of this checkout that a machine can run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest_kernel import GuestKernel, guest_kernel
from machine import PROGRAMS, Machine, MakeMachine, Wire, as_disk, disk
from nfs_lan import Lan

from ascend_wheelhouse.folder.signing import generate_key

_PROGRAMS = (
    *PROGRAMS.values(),
    *("cpio", "depmod", "mke2fs", "mkfs.vfat", "mkfs.exfat", "exportfs", "rpc.nfsd", "mount.nfs4"),
)
_DEBIAN = (
    "qemu-system-x86 qemu-system-arm cpio kmod e2fsprogs dosfstools exfatprogs nfs-kernel-server nfs-common"
)


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> GuestKernel:
    if "WHEELHOUSE_MACHINES" not in os.environ:
        pytest.skip("boots machines: nox -s machines")
    where = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [name for name in _PROGRAMS if shutil.which(name, path=where) is None]
    assert not missing, f"{missing} are not here: apt-get install {_DEBIAN}"
    return guest_kernel("x86_64", tmp_path_factory.mktemp("kernel"))


@pytest.fixture
def machine(kernel: GuestKernel, tmp_path: Path) -> Iterator[MakeMachine]:
    """Make machines by their names; their power is cut at the end of the test."""
    made: list[Machine] = []

    def make(name: str) -> Machine:
        made.append(Machine(kernel=kernel, folder=tmp_path / "machines" / name))
        return made[-1]

    yield make
    for one in made:
        one.cut()


@pytest.fixture
def lan(machine: MakeMachine, tmp_path: Path) -> Lan:
    key = generate_key(tmp_path / "key")
    words = as_disk(disk(tmp_path / "shared.img", "500M", "mke2fs", "-q", "-t", "ext4"))
    clients = [machine("first"), machine("second")]
    return Lan(machine("server"), clients, words, [Wire.new(), Wire.new()], key.path)
