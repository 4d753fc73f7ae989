"""Small locks of toolchains, for tests that unpack nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.locks.toolchain_lock import LockedPackage, Part, ToolchainLock


def package(filename: str, part: Part, content: bytes = b"deb") -> LockedPackage:
    """Return a locked package; its place below the archive follows from its name."""
    digest = hashlib.sha256(content).hexdigest()
    word = filename.partition("-")[0]
    artifact = Artifact(filename=filename, size=len(content), sha256=digest)
    return LockedPackage(artifact=artifact, part=part, place=f"pool/main/{word[0]}/{word}/{filename}")


def toolchain_lock(*others: LockedPackage) -> ToolchainLock:
    """Return the lock of a cross compiler; packages that are given stand for its `system` part."""
    gcc = package("gcc-13-aarch64-linux-gnu_13.3.0-16cross1_amd64.deb", "compiler")
    made = ToolchainLock(
        name="gcc-13-glibc2.31-py3.11.x86_64-for-aarch64",
        gcc="13.3.0",
        host="x86_64",
        machine="aarch64",
        python="3.11",
        glibc="2.31",
        files=(gcc, package("make_4.3-4.1_arm64.deb", "system")),
    )
    return replace(made, files=(gcc, *others)) if others else made
