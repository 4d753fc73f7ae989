"""The toolchains of builders of aarch64, their compilers emulated on this host: what they write is what ours write."""

from __future__ import annotations

import hashlib
import os
import platform
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import cell
from tiny import tiny_job

from ascend_wheelhouse.base import qemu
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.making import make
from ascend_wheelhouse.build.rooted import Rooted
from ascend_wheelhouse.build.sandbox import Cage
from ascend_wheelhouse.build.target_root import lay_root
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.toolchain_lock import every_toolchain, read_toolchain
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.own_toolchains import own_toolchains
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.store.store import Store

PROJECT = Path(__file__).parents[2]
LOCKFILES = PROJECT / "lockfiles"
X86_64 = replace(cell({"torch": "2.6.0"}), target=Target(machine="x86_64"))
LONG = bool(os.environ.get("WHEELHOUSE_LONG_TESTS"))
long = pytest.mark.skipif(not LONG, reason="minutes: nox -s foreign")
NAME = "{gcc}-glibc2.31-py3.11.{host}-for-x86_64"
_SOURCE = """
#include <map>
#include <stdexcept>
#include <string>
std::string joined(const std::map<std::string, int> &all) {
  std::string text;
  for (const auto &one : all) text += one.first + "=" + std::to_string(one.second) + ";";
  if (text.empty()) throw std::runtime_error("nothing: " + text);
  return text;
}
extern "C" void *PyInit_tiny(void) { static std::string kept = joined({{"a", 1}}); return &kept; }
"""
_TO_CPP = (
    r"""s/"gcc", "-g"/"g++", "-O2", "-std=c++14", "-D_GLIBCXX_USE_CXX11_ABI=0"/; s/"tiny.c"/"tiny.cpp"/"""
)


class ArmBuilder(Rooted):
    """A toolchain of a builder of aarch64 on this host of x86_64: its compiler runs through qemu."""

    def _inner(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        words = super()._inner(cage, argv)
        script = f'set -eu\n{qemu.REGISTER}shift\nexec "$@"'
        line = qemu.registration("aarch64")
        return ["unshare", "--mount", "--", "/bin/sh", "-c", script, "enter", line, *words]


def built(folder: Path, gcc: str, host: str, kind: type[Rooted]) -> tuple[str, bytes]:
    """Build a small extension and return what the compiler was, and the library."""
    kept = Store(default_root())
    lock = read_toolchain(LOCKFILES, NAME.format(gcc=gcc, host=host))
    assert lock is not None
    own_toolchains(PROJECT, Fetcher(recipes={}, store=kept)).bring(lock)
    sandbox = kind(root=lay_root(lock, X86_64.target.glibc, kept))
    write = ("sh", "-c", f"cat >tiny.cpp <<'E'\n{_SOURCE}E\nsed -i '{_TO_CPP}' make.py")
    job, store = tiny_job(folder, X86_64, write)
    builder = Builder(
        store=store, sandbox=sandbox, emit=silent, interpreter=sandbox.interpreter, ccache=True, worker=make
    )
    (wheel,) = builder.build(job, sandbox.toolchain())
    with zipfile.ZipFile(store.path(wheel.sha256)) as opened:
        return wheel.toolchain["gcc"], opened.read("tiny/tiny.so")


def test_each_toolchain_of_one_kind_of_builder_is_locked_for_the_other_too() -> None:
    """What runs on the nodes and what is linked against is the same on every builder."""
    known = {lock.name: lock for lock in every_toolchain(LOCKFILES)}
    names = {name.partition(".x86_64-for-")[::2] for name in known if ".x86_64-for-" in name}
    assert names
    for name, machine in names:
        ours, theirs = known[f"{name}.x86_64-for-{machine}"], known[f"{name}.aarch64-for-{machine}"]
        for part in ("system", "sysroot"):
            assert ours.of(part) == theirs.of(part), theirs.name
        assert any(file.filename.endswith("_arm64.deb") for file in theirs.of("compiler"))
        assert not any(file.filename.endswith("_amd64.deb") for file in theirs.of("compiler"))


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="what is emulated is a builder of aarch64")
@pytest.mark.skipif(
    bool(not qemu.qemu("aarch64") or qemu.refusal("aarch64")), reason="needs qemu-user-static"
)
@long
@pytest.mark.parametrize("gcc", ["gcc-9", "gcc-11", "gcc-13"])
def test_the_compiler_of_a_builder_of_aarch64_writes_the_bytes_that_ours_writes(
    gcc: str, tmp_path: Path
) -> None:
    theirs, emulated = built(tmp_path / "aarch64", gcc, "aarch64", ArmBuilder)
    ours, native = built(tmp_path / "x86_64", gcc, "x86_64", Rooted)
    names = [NAME.format(gcc=gcc, host=host) for host in ("aarch64", "x86_64")]
    assert [name in told for name, told in zip(names, (theirs, ours), strict=True)] == [True, True]
    (tmp_path / "tiny.so").write_bytes(emulated)
    symbols = run(["nm", "--dynamic", "--format=just-symbols", tmp_path / "tiny.so"]).stdout
    assert "_Z6joinedRKSt3mapISsi" in symbols  # std::string of the old C++ ABI
    assert "__cxx11" not in symbols
    if gcc == "gcc-11":  # Debian's cross compiler is revision 11 of its package, the native one revision 12
        emulated, native = (unnamed(tmp_path / "plain.so", data) for data in (emulated, native))
    assert hashlib.sha256(emulated).hexdigest() == hashlib.sha256(native).hexdigest()


def unnamed(path: Path, data: bytes) -> bytes:
    """Return a library without the compiler's own version, and without the number that is made of all the rest."""
    path.write_bytes(data)
    run(["objcopy", "--remove-section=.comment", "--remove-section=.note.gnu.build-id", path])
    return path.read_bytes()
