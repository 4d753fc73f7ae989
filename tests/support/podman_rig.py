"""A podman with storage of its own, and an image made on the spot from Debian's packages; no registry is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ascend_wheelhouse.base.process import CommandFailedError, run
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.verify.system_root import debian_root

IMAGE = "localhost/wheelhouse-builder:1"
PACKAGES = (
    *("python3.11", "libpython3.11-dev", "gcc", "g++", "libc6-dev", "binutils", "make", "git"),
    *("bash", "dash", "coreutils", "libc-bin", "sed", "grep", "findutils", "hostname"),
)
_LEFT_OUT = ("./verify", "./usr/share/doc", "./usr/share/locale", "./usr/share/man")
_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
cgroups = "disabled"
[engine]
cgroup_manager = "cgroupfs"
"""
_PODMAN = 'exec {podman} --root {folder}/storage --runroot {folder}/run --tmpdir {folder}/tmp "$@"'
# A host may lack CAP_SYS_RESOURCE, and have cgroups of both kinds, which crun refuses: then it gets cgroups of its own.
_NARROW = """
export CONTAINERS_CONF={folder}/containers.conf
exec unshare --mount --propagation private -- sh -c '
umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && {podman}' podman "$@"
"""


@contextmanager
def podman_with(image: str = IMAGE, packages: Sequence[str] = PACKAGES) -> Iterator[str]:
    """Give a `podman` that has the image; skip where it runs no container.

    Args:
        image: The image's name.
        packages: Debian's packages that are in it.
    """
    folder = Path(tempfile.mkdtemp(prefix="wh-"))  # podman refuses a run folder of more than 50 characters
    try:
        (folder / "containers.conf").write_text(_CONF)
        yield _working(folder, image, debian_root(os.uname().machine, tuple(packages), default_root()))
    finally:
        run(["umount", "--recursive", folder / "storage" / "overlay"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _working(folder: Path, image: str, root: Path) -> str:
    podman = _PODMAN.format(podman=shutil.which("podman"), folder=folder)
    program = folder / "bin" / "podman"
    program.parent.mkdir()
    reasons = []
    for script in (podman, _NARROW.format(podman=podman, folder=folder)):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        try:
            _put_image(str(program), image, root)
            run([program, "run", "--rm", "--network", "none", image, "/bin/true"], timeout=120)
        except (CommandFailedError, subprocess.CalledProcessError) as error:
            reasons.append(str(error).strip().splitlines()[-1])
        else:
            return str(program)
    pytest.skip(f"podman runs no container here: {'; '.join(reasons)}")


def _put_image(program: str, image: str, root: Path) -> None:
    """Make the image from a folder of unpacked packages, once."""
    if run([program, "image", "exists", image], check=False).status == 0:
        return
    exclude = [f"--exclude={name}" for name in _LEFT_OUT]
    with subprocess.Popen(["tar", "-C", root, *exclude, "-c", "."], stdout=subprocess.PIPE) as tar:
        words = [program, "import", "--quiet", "-", image]
        subprocess.run(words, stdin=tar.stdout, check=True, capture_output=True)
