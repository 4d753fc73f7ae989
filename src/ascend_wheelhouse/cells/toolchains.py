"""Toolchains that the tool brings along: `recipes/toolchains/*.toml`, which compiler comes from which packages.

A toolchain has three parts. The *compiler* runs on the builder. The *system* is what a build calls beside it (Python,
cmake, make), in the target's instructions. The *sysroot* is what is compiled and linked against; its C library is not
newer than a node's. No suite has every C library, so the nearest newer one is taken, and what is too new in it is
hidden: see `build/symbol_floor.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, Field

from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.toml_fault import shown
from ascend_wheelhouse.base.toml_file import FileModel, InvalidFilesError, Listed, Problem, read
from ascend_wheelhouse.cells.file_values import FileName, Text, VersionText
from ascend_wheelhouse.cells.target import FLOOR, PYTHONS, Target, dotted

_PACKAGE = re.compile(r"(?:[a-z0-9+.:-]|\{cross\}|\{python\})+")
FOLDER = "toolchains"
ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}
"""How Debian names a machine (dpkg-architecture(1), DEB_HOST_ARCH)."""


def _package(text: str) -> str:
    """Hold a package's name to the placeholders that are filled in."""
    if not _PACKAGE.fullmatch(text):
        raise ValueError(
            f"is {shown(text)}, must be a package's name; {{cross}} and {{python}} are filled in"
        )
    return text


_Package = Annotated[str, AfterValidator(_package)]


class SuitePackages(FileModel):
    """Packages of one Debian suite.

    Args:
        suite: The suite's name.
        packages: What is wanted; all that they depend on comes along. `{cross}` and `{python}` are filled in.
        omit: Patterns of package names that are left out.
    """

    suite: Text
    packages: Annotated[Listed[_Package], Field(min_length=1)]
    omit: Listed[Text] = ()


class CompilerPackages(SuitePackages):
    """Packages of a compiler.

    Args:
        native: What stands for `packages` on a builder of the target's own architecture, where that is named otherwise.
    """

    native: Listed[_Package] = ()


class SystemPackages(SuitePackages):
    """Packages of the system that a build runs in.

    Args:
        pythons: The CPythons that the suite has, `major.minor`; every one where none is named.
    """

    pythons: Listed[VersionText] = ()


class SysrootPackages(SuitePackages):
    """A C library with its headers, and the other libraries that every build may link.

    Args:
        glibc: Its version, `major.minor`.
    """

    glibc: VersionText


class ToolchainRecipe(FileModel):
    """One compiler, and what a build with it takes beside it.

    Args:
        name: The file's name.
        gcc: The compiler's version.
        compiler: What runs on the builder.
        system: What runs in the target's instructions.
        sysroots: C libraries to build against.
    """

    name: FileName
    gcc: VersionText
    compiler: CompilerPackages
    system: SystemPackages
    sysroots: Annotated[Listed[SysrootPackages], Field(min_length=1)]

    def fits(self, bound: str) -> bool:
        """Tell whether its gcc is within a recipe's bound, such as `>=13,<15`."""
        return SpecifierSet(bound).contains(Version(self.gcc), prereleases=True)

    def has_python(self, python: tuple[int, int]) -> bool:
        """Tell whether its system has a CPython."""
        return not self.system.pythons or dotted(python) in self.system.pythons

    def sysroot(self, glibc: tuple[int, int]) -> SysrootPackages | None:
        """Return what a wheel for nodes of a glibc is built against.

        The oldest that is not older than theirs: what it has too new is hidden from the linker. None where all are
        older, which would leave out functions that the nodes have.
        """
        known = sorted(self.sysroots, key=lambda one: Version(one.glibc))
        return next((one for one in known if Version(one.glibc).release[:2] >= glibc), None)


@dataclass(frozen=True, kw_only=True)
class ToolchainFor:
    """A toolchain on one kind of builder, for one kind of node.

    Args:
        recipe: The toolchain.
        host: The builder's machine.
        target: The node's machine, glibc and Python.
    """

    recipe: ToolchainRecipe
    host: str
    target: Target

    @property
    def foreign(self) -> bool:
        """Whether the node's programs do not run on the builder by themselves."""
        return self.host != self.target.machine

    @property
    def name(self) -> str:
        """The name of its lock: `gcc-13-glibc2.31-py3.11.x86_64-for-aarch64`."""
        sysroot = self.recipe.sysroot(self.target.glibc)
        python = ".".join(map(str, self.target.python))
        words = f"{self.recipe.name}-glibc{sysroot.glibc if sysroot else '?'}-py{python}"
        return f"{words}.{self.host}-for-{self.target.machine}"

    @property
    def command(self) -> str:
        """The command that fetches it: another glibc than the floor and another Python than the default stand in it."""
        glibc = "" if self.target.glibc == FLOOR else f" --glibc {dotted(self.target.glibc)}"
        python = "" if self.target.python == PYTHONS[0] else f" --python {dotted(self.target.python)}"
        return f"invoke toolchain --name {self.recipe.name} --platform {self.target.machine}{glibc}{python}"

    @property
    def compiler(self) -> tuple[str, ...]:
        """The names of the compiler's packages on this kind of builder."""
        table = self.recipe.compiler
        return table.packages if self.foreign else table.native or table.packages

    def filled(self, text: str) -> str:
        """Return a package's name with its placeholders filled in."""
        cross = f"{self.target.machine.replace('_', '-')}-linux-gnu"
        python = ".".join(map(str, self.target.python))
        return text.replace("{cross}", cross).replace("{python}", python)


def read_toolchains(recipes: Path | Layered) -> tuple[ToolchainRecipe, ...]:
    """Return the toolchains of a folder of recipes, by name.

    Raises:
        InvalidFilesError: A file is wrong; the text lists every fault of all of them.
    """
    found, problems = scan_toolchains(recipes)
    if problems:
        raise InvalidFilesError(problems)
    return found


def scan_toolchains(recipes: Path | Layered) -> tuple[tuple[ToolchainRecipe, ...], list[Problem]]:
    """Return the sound toolchains of a folder of recipes, by name, and every problem of all of them."""
    found: list[ToolchainRecipe] = []
    problems: list[Problem] = []
    for path in Layered.of(recipes).below(FOLDER).named("*.toml").values():
        recipe, faults = read(path, ToolchainRecipe, label=f"recipes/{FOLDER}/{path.name}", named=True)
        problems += faults
        if recipe is not None:
            found.append(recipe)
    return tuple(found), problems
