"""Which compilers a build would use: found, held against the recipe's bounds, and part of the key.

One shell script prints every candidate of a host or of a container image, so both are judged by the same
rules, and in well under a second: a wrong gcc or a missing CANN makes a component pending before anything
starts. Of several candidates (`gcc`, `gcc-13`, a gcc-toolset; several CANN trees) the first that fits the
bounds is taken.

CANN's version is read from `ascend_toolkit_install.info`, which its installer leaves under the toolkit's
home.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.cann_tree import SEEN_AT, CannPackage

LENT_AT = "/opt/wheelhouse-ccache"
ALWAYS = ("gcc", "binutils", "glibc")
_PROBE = r"""
say() { [ -n "$3" ] && echo "$1|$2|$3|$4"; }
first() { "$@" 2>/dev/null | head -n 1; }
for c in gcc /usr/bin/gcc-[0-9]* /opt/rh/gcc-toolset-[0-9]*/root/usr/bin/gcc; do
  p=$(command -v "$c") || continue
  say gcc "$p" "$("$p" -dumpfullversion)" "$(first "$p" --version) $("$p" -dumpmachine)"
done
for c in ld cmake ninja make ccache; do
  own=$(command -v "$c")
  for p in "$own" /usr/bin/$c; do
    [ -x "$p" ] || continue
    line=$(first "$p" --version)
    n=$c; [ "$c" = ld ] && n=binutils
    say "$n" "$p" "$(echo "$line" | grep -Eo '[0-9]+(\.[0-9]+)+' | tail -n 1)" "$line"
    [ "$own" != /usr/bin/$c ] || break
  done
done
v=$(getconf GNU_LIBC_VERSION 2>/dev/null) && say glibc / "${v#glibc }" "$v"
A=/usr/local/Ascend
for h in "$ASCEND_HOME_PATH" $A/cann-* $A/cann $A/ascend-toolkit/latest $A/ascend-toolkit/[0-9]*; do
  [ -d "$h" ] || continue
  for i in "$h"/ascend_toolkit_install.info "$h"/*-linux/ascend_toolkit_install.info; do
    [ -f "$i" ] && say cann "$h" "$(sed -n 's/^version=//p' "$i")" \
      "$(sed -n 's/^version=//p;s/^innerversion=//p;s/^arch=//p' "$i" | tr '\n' ' ')"
  done
done
true
"""
_COLUMNS = 4
_PYTHON_TOOLS = {"cmake", "ninja"}


class ToolchainUnfitError(HostUnfitError):
    """A tool that the recipe bounds is missing or of another version; its component is pending (exit 10)."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool: its place, its version, and the text that identifies it down to the patch level."""

    name: str
    path: str
    version: str
    identity: str


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """The tools of one build, one of each name.

    Args:
        tools: The tools.
        sysroot: What gcc compiles and links against instead of the system, or empty.
        runner: What runs the wrappers of the compilers.
        beside: Further commands by the names that builds use, each as the program that stands for it.
        cann: The toolkit's package that stands for CANN where the builder has none.
        ccache: The command that runs the compiler's cache; empty where there is none.
        lent: The folder of a ccache that the system of the build lacks, seen at `LENT_AT`.
    """

    tools: tuple[Tool, ...]
    sysroot: str = ""
    runner: str = "/bin/sh"
    beside: Mapping[str, str] = field(default_factory=dict)
    cann: CannPackage | None = None
    ccache: str = ""
    lent: Path | None = None

    def get(self, name: str) -> Tool | None:
        """Return the tool of that name, if there is one."""
        return next((tool for tool in self.tools if tool.name == name), None)

    @property
    def identity(self) -> dict[str, str]:
        """What goes into the key and the manifest: name to identifying text, no paths."""
        return {tool.name: tool.identity.strip() for tool in sorted(self.tools, key=lambda tool: tool.name)}

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders of tools outside the system's own, which a sandbox must show and PATH must name."""
        folders = (
            str(PurePosixPath(tool.path).parent) for tool in self.tools if tool.name not in {"glibc", "cann"}
        )
        return tuple(dict.fromkeys(folder for folder in folders if folder not in {"/usr/bin", "/bin"}))

    def with_cann(self, package: CannPackage) -> Toolchain:
        """Return these tools with CANN from a package that was handed over."""
        return replace(self, tools=(*self.tools, _tool_of(package)), cann=package)

    @property
    def cann_home(self) -> str:
        """CANN's toolkit folder as a sealed build sees it, or empty."""
        cann = self.get("cann")
        return cann.path if cann else ""


Probe = Callable[[str], str]


def host_probe(script: str) -> str:
    """Run the probe script on this host and return what it prints."""
    return run(["sh", "-c", script]).stdout


def candidates(probe: Probe = host_probe) -> list[Tool]:
    """Return every tool that the probe finds, best first within a name."""
    rows = (line.split("|", 3) for line in probe(_PROBE).splitlines())
    return [
        Tool(name=row[0], path=row[1], version=row[2], identity=row[3])
        for row in rows
        if len(row) == _COLUMNS
    ]


def find_toolchain(
    bounds: Mapping[str, str],
    *,
    requirements: Iterable[str] = (),
    probe: Probe = host_probe,
    package: CannPackage | None = None,
    shown: str = "/usr/",
) -> Toolchain:
    """Return the tools for a build, each within its bound.

    Args:
        bounds: Tool name to version range, from the recipe.
        requirements: The build environment's; a cmake or ninja that it brings is not asked of the host.
        probe: What runs the probe script: this host or a container.
        package: A toolkit's package, for where there is no CANN that fits.
        shown: Below this a build sees every program: a sandbox shows the system's own, not those of a home.

    Raises:
        ToolchainUnfitError: A tool is missing or outside its bound; the text names each, found and wanted.
    """
    brought = _PYTHON_TOOLS & {
        re.split(r"[^A-Za-z0-9_-]", need, maxsplit=1)[0].lower() for need in requirements
    }
    every = candidates(probe)
    unfit = {PurePosixPath(tool.path).parent for tool in every if not _runs(tool, shown)}
    here = [
        tool for tool in every if PurePosixPath(tool.path).parent not in unfit
    ]  # it would stand on the PATH
    found = [*here, *([_tool_of(package)] if package else [])]
    chosen: list[Tool] = []
    problems: list[str] = []
    for name in sorted({*bounds, *ALWAYS, "make", "cmake", "ninja"} - brought):
        fit = [tool for tool in found if tool.name == name and _within(tool.version, bounds.get(name, ""))]
        if fit:
            chosen.append(fit[0])
        elif name in bounds or name in ALWAYS:
            problems.append(_problem(name, bounds.get(name, ""), found))
    if problems:
        raise ToolchainUnfitError(
            "This builder lacks a toolchain that the recipe asks for: " + "; ".join(problems) + ".",
            why="A wheel of another toolchain would load on fewer nodes, or not beside torch at all.",
            next_step="build on a host that has it, or in the recipe's image with --container",
        )
    used = package if package and _tool_of(package) in chosen else None
    ccache = next((one.path for one in found if one.name == "ccache" and one.path.startswith(shown)), "")
    return Toolchain(tools=tuple(chosen), cann=used, ccache=ccache)


def _runs(tool: Tool, shown: str) -> bool:
    """Tell whether a build can run a tool: of one in an environment of pip's or conda's it sees the `bin` alone.

    There cmake lacks its modules, and an older ninja is a script of a Python that is not there.
    """
    if tool.name not in _PYTHON_TOOLS or tool.path.startswith(shown) or tool.path.endswith("/usr/bin/cmake"):
        return True
    if tool.name == "cmake":
        return False
    with suppress(OSError), Path(tool.path).open("rb") as stream:
        return stream.read(2) != b"#!"
    return True


def _tool_of(package: CannPackage) -> Tool:
    path = f"{SEEN_AT}/{package.home}"
    return Tool(name="cann", path=path, version=package.version, identity=package.identity)


def _within(version: str, bound: str) -> bool:
    try:
        return SpecifierSet(bound).contains(Version(version), prereleases=True)
    except ValueError:
        return False


def _problem(name: str, bound: str, found: Iterable[Tool]) -> str:
    there = sorted({tool.version for tool in found if tool.name == name})
    return f"{name} {bound or '(any)'} wanted, {'found ' + ', '.join(there) if there else 'none found'}"


def set_env_script(cann_home: str) -> str:
    """Return the `set_env.sh` of a CANN tree: beside its home before CANN 8.5, inside it from then on."""
    for path in (Path(cann_home, "set_env.sh"), Path(cann_home).parent / "set_env.sh"):
        if path.is_file():
            return str(path)
    return str(Path(cann_home).parent / "set_env.sh")
