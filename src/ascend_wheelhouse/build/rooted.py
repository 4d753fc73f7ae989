"""A sandbox whose system is not the host's: a laid-out root with a compiler of its own, emulated where it must be.

Python, cmake and make of another machine run through qemu, registered for this process tree alone; the compiler, the
linker and ninja stand in the same root as programs of the builder, and are as fast as ever.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ascend_wheelhouse.base import qemu
from ascend_wheelhouse.build.environment import Interpreter
from ascend_wheelhouse.build.grafts import Libraries
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.sandbox import Bubblewrap, Cage, Mount
from ascend_wheelhouse.build.target_root import SYSROOT, TargetRoot
from ascend_wheelhouse.build.toolchain import Tool, Toolchain

_SYSTEM = ("usr", "bin", "lib", "lib64", "sbin", "native", "sysroot")
_ETC = ("alternatives", "ld.so.conf", "ld.so.conf.d")
_NATIVE_TOOLS = ("ar", "as", "ld", "nm", "objcopy", "objdump", "ranlib", "readelf", "strip")


@dataclass(frozen=True, kw_only=True)
class RootedCage(Cage):
    """A cage with another system than the host's.

    Args:
        root: That system.
    """

    root: TargetRoot

    def all_mounts(self) -> Iterator[Mount]:
        """Yield every mount: the root's system, the small `/etc`, the work folder, then what is no system's."""
        folder = self.root.folder
        for name in _SYSTEM:
            if (folder / name).is_dir():
                yield Mount(source=(folder / name).resolve(), target=f"/{name}")
        for name in _ETC:
            if (folder / "etc" / name).exists():
                yield Mount(source=folder / "etc" / name, target=f"/etc/{name}")
        yield from (
            Mount(source=path, target=f"/etc/{path.name}") for path in sorted(self._write_etc().iterdir())
        )
        yield Mount(source=self.work, target=self.conditions.root, writable=True)
        yield from (mount for mount in self.mounts if not mount.system)


@dataclass(frozen=True, kw_only=True)
class Rooted(Bubblewrap):
    """bubblewrap around a laid-out root.

    Args:
        root: The system that a build sees.
    """

    root: TargetRoot
    name: ClassVar[str] = "rooted"

    @property
    def identity(self) -> str:
        """What the manifest says of it."""
        return f"toolchain {self.root.lock.name}"

    def libraries(
        self, needed: Iterable[str], folder: Path, *, machine: str, left: Sequence[str]
    ) -> Libraries:
        """Return the untouched libraries of the sysroot, which are few and laid out already."""
        del needed, folder, machine, left
        return self.root.libraries

    def _inner(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        rooted = RootedCage(
            work=cage.work,
            mounts=cage.mounts,
            env=cage.env,
            cwd=cage.cwd,
            conditions=cage.conditions,
            root=self.root,
        )
        words = super()._inner(rooted, argv)
        if not self.emulated:
            return words
        script = f'set -eu\n{qemu.REGISTER}shift\nexec "$@"'
        line = qemu.registration(self.root.lock.machine)
        return ["unshare", "--mount", "--", "/bin/sh", "-c", script, "enter", line, *words]

    @property
    def emulated(self) -> bool:
        """Whether the root's own programs are those of another architecture than this host's."""
        return self.root.lock.machine != os.uname().machine

    def interpreter(self, python: str) -> Interpreter:
        """Return the root's own CPython."""
        version = self.root.lock.version_of("system", f"python{python}")
        identity = digest_of({"python": version, "root": self.root.identity})
        return Interpreter(program=Path(f"/usr/bin/python{python}"), prefix=Path("/usr"), identity=identity)

    def toolchain(self) -> Toolchain:
        """Return the root's tools; nothing needs to be looked for, the lock says what they are."""
        lock, root = self.root.lock, self.root
        major = lock.gcc.partition(".")[0]
        gcc = f"{root.tools}/{root.triplet}-gcc-{major}"
        floor = ".".join(map(str, root.glibc))
        rows = (
            ("gcc", gcc, lock.gcc, f" of {root.identity} {root.triplet}"),
            ("binutils", f"{root.tools}/{root.triplet}-ld", self._binutils(), ""),
            ("glibc", "/", floor, ""),
            ("cmake", "/usr/bin/cmake", lock.version_of("system", "cmake"), ""),
            ("make", "/usr/bin/make", lock.version_of("system", "make"), ""),
            ("ninja", f"{root.tools}/ninja", lock.version_of("compiler", "ninja-build"), ""),
        )
        return Toolchain(
            tools=tuple(
                Tool(name=name, path=path, version=version, identity=f"{name} {version}{more}")
                for name, path, version, more in rows
            ),
            sysroot=SYSROOT,
            runner=f"{root.tools}/dash",
            ccache=f"{root.tools}/ccache" if (root.folder / root.tools[1:] / "ccache").is_file() else "",
            beside={name: f"{root.tools}/{root.triplet}-{name}" for name in _NATIVE_TOOLS}
            | {"ninja": f"{root.tools}/ninja"},
        )

    def _binutils(self) -> str:
        names = [
            file.package for file in self.root.lock.of("compiler") if file.package.startswith("binutils-")
        ]
        return self.root.lock.version_of("compiler", *names)
