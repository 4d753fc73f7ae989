"""Sticks with the file systems that people carry, FAT32 and exFAT, and one that is pulled while it is read."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from machine import Machine, MakeMachine, as_stick, disk
from small_wheelhouse import SmallWheelhouse, package

from ascend_wheelhouse.folder.signing import generate_key

_MAKERS = {"vfat": ("mkfs.vfat", "-F", "32"), "exfat": ("mkfs.exfat",)}
_PROGRAM = f"{sys.executable} -m ascend_wheelhouse"
_MOUNTED = """for one in xhci_pci usb_storage sd_mod {kind} nls_cp437 nls_ascii nls_iso8859_1 nls_utf8; do
  modprobe $one
done
until [ -b /dev/sda ]; do sleep 0.2; done
mkdir -p /media /tmp/project && cd /tmp/project && cp -r {root}/recipes {root}/pyproject.toml {root}/tasks.py .
export PYTHONPATH={root}/src
mount -t {kind} /dev/sda /media
"""
_ROOT = Path(__file__).parents[2]
_READING = """came() {{ tr -s ' ' </sys/block/sda/stat | cut -d' ' -f4; }}
before=$(came)
{install} &
until [ $(($(came) - before)) -gt 40000 ]; do sleep 0.05; done
touch /job/reads
status=0; wait $! || status=$?; echo ended with $status; ls -a /tmp/npu || true
"""
_AGAIN = "umount /media; mount -t {kind} /dev/sda /media\n"

pytest_plugins = ["machine_fixtures"]


def _wheelhouse(folder: Path) -> Path:
    chance = random.Random(1)  # noqa: S311 - so that it does not compress
    many = {f"part{number}__txt": f"{chance.getrandbits(8_000_000):x}" for number in range(40)}
    return SmallWheelhouse(wheels=[package("alpha"), package("beta", **many)], whole_uv=True).write(folder)


@pytest.mark.parametrize("kind", list(_MAKERS))
def test_a_bundle_crosses_on_a_stick(machine: MakeMachine, tmp_path: Path, kind: str) -> None:
    """As a file, as parts, as an image layout: each is proved and installed from, once the stick was put in again."""
    wheelhouse, key = _wheelhouse(tmp_path / "wheelhouse"), generate_key(tmp_path / "key")
    stick = disk(tmp_path / "stick.img", "600M", *_MAKERS[kind])
    pack = f"{_PROGRAM} bundle --wheelhouse {wheelhouse} --serial 1 --sign-key {key.path}"
    steps = [_MOUNTED.format(kind=kind, root=_ROOT)]
    places = ("/media/one.tar", "/media/parts.tar", "/media/small-x86_64.oci")
    for out, more in ((places[0], ""), (places[1], "--split 1M"), ("/media", "--oci")):
        steps.append(f"{pack} {more} --out {out}\n")
    steps.append(_AGAIN.format(kind=kind) + "ls -l /media\n")
    for number, place in enumerate(places):
        prove = f"{_PROGRAM} bundle --verify {place} --trusted-key {key.path}.pub\n"
        install = f"{sys.executable} -I {wheelhouse}/install.py --bundle {place} --trusted-key {key.path}.pub"
        steps.append(f"{prove}{install} --prefix /tmp/npu{number} && echo installed {number}\n")
    steps.append("umount /media\n")
    said = machine("host").start("".join(steps), as_stick(stick)).finish()
    assert [f"installed {number}" in said for number in range(3)] == [True] * 3, said


def test_a_stick_that_is_pulled_is_told(machine: MakeMachine, tmp_path: Path) -> None:
    """What stood before stays, and the stick, put in again, is good."""
    wheelhouse = _wheelhouse(tmp_path / "wheelhouse")
    stick = disk(tmp_path / "stick.img", "600M", *_MAKERS["vfat"])
    install = f"{sys.executable} -I /tmp/install.py --bundle /media/one.tar --insecure-no-signature --prefix /tmp/npu"
    script = (
        _MOUNTED.format(kind="vfat", root=_ROOT)
        + f"{_PROGRAM} bundle --wheelhouse {wheelhouse} --serial 1 --insecure-no-signature --out /media/one.tar\n"
        + f"cp {wheelhouse}/install.py /tmp/\n"
        + _AGAIN.format(kind="vfat")
        + _READING.format(install=install)
    )
    host: Machine = machine("host").start(script, as_stick(stick))
    host.wait_for("reads")
    host.pull("stick")
    said = host.finish()
    assert "ended with 70" not in said, said
    assert "ended with 0" not in said, said
    assert "Next:" in said, said
