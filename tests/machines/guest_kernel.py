"""A Linux kernel for a machine of the tests, out of Debian's packages, and what it starts with."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.verify.system_root import debian_root

PACKAGES = {"x86_64": "linux-image-amd64", "aarch64": "linux-image-arm64"}
_MODULES = (
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "virtio_blk",
    "virtio_net",
    "crc32c_generic",
    "ext4",
)
_INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
while read name; do $b insmod /modules/$name; done < /order
plan9=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o $plan9,cache=loose,ro root /below || exec $b poweroff -f
$b mount -t tmpfs -o size=90% above /above
$b mkdir /above/files /above/work
$b mount -t overlay -o lowerdir=/below,upperdir=/above/files,workdir=/above/work system /system
$b mkdir -p /system/proc /system/sys /system/dev /system/run /system/tmp /system/job
for name in proc sys dev; do $b mount -o move /$name /system/$name; done
$b mount -t tmpfs run /system/run
$b mkdir -p /system/dev/pts /system/dev/shm
$b mount -t devpts pts /system/dev/pts; $b mount -t tmpfs shm /system/dev/shm
$b mount -t 9p -o $plan9 job /system/job || exec $b poweroff -f
exec $b switch_root /system /bin/sh /job/start
"""


@dataclass(frozen=True, kw_only=True)
class GuestKernel:
    """A kernel, the first file system that it is given, and the folder that holds `lib/modules`."""

    image: Path
    first: Path
    modules: Path


def guest_kernel(architecture: str, folder: Path) -> GuestKernel:
    """Return a kernel whose first file system is made in a folder; its packages stay in the store."""
    modules = debian_root(architecture, (PACKAGES[architecture], "busybox-static"), default_root())
    (image,) = (modules / "boot").glob("vmlinuz-*")
    version = image.name.removeprefix("vmlinuz-")
    subprocess.run(["/sbin/depmod", "-b", modules, version], check=True)
    first = folder / f"first-{architecture}.cpio.gz"
    _write_first(first, modules, version)
    return GuestKernel(image=image, first=first, modules=modules)


def _write_first(path: Path, modules: Path, version: str) -> None:
    tree = path.with_suffix(".tree")
    for name in ("bin", "modules", "system", "below", "above", "proc", "sys", "dev"):
        (tree / name).mkdir(parents=True)
    shutil.copy(modules / "bin/busybox", tree / "bin/busybox")
    needed = _in_order(modules, version)
    for module in needed:
        shutil.copy(module, tree / "modules")
    (tree / "order").write_text("".join(f"{module.name}\n" for module in needed))
    (tree / "init").write_text(_INIT)
    (tree / "init").chmod(0o755)
    names = "\n".join(one.relative_to(tree).as_posix() for one in sorted(tree.rglob("*")))
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"],
        cwd=tree,
        input=names.encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    path.write_bytes(gzip.compress(packed.stdout, 1))


def _in_order(modules: Path, version: str) -> list[Path]:
    """Return the modules that root and job are mounted with, each after those that it needs."""
    found: dict[str, None] = {}
    for name in _MODULES:
        command: list[str | Path] = ["/sbin/modprobe", "-d", modules, "-S", version, "--show-depends", name]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        found.update({line.split()[1]: None for line in lines if line.startswith("insmod ")})
    return [Path(one) for one in found]
