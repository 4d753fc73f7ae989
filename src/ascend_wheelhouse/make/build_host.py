"""What making wheelhouses takes of a host, and what building from source takes on top, with the commands that bring it.

Making one needs the right Python, disk space, and the sandbox for SGLang's own wheel; building kernels or torch_npu
from source needs compilers, or an engine for the recipe's image. Running a wheelhouse of the other architecture takes
more: `invoke doctor --emulation`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.base.output_file import can_hold
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.sandbox import find_sandbox
from ascend_wheelhouse.build.toolchain import Tool, candidates
from ascend_wheelhouse.node.host.fitness import HostFinding, Level, free_space, programs_finding
from ascend_wheelhouse.node.host.system import install_command
from ascend_wheelhouse.store.root import default_root

Purpose = Literal["make", "build"]
_GIB = 1 << 30
_STORE_SIZE, _FOLDER_SIZE = 4 * _GIB, 2 * _GIB
_ROOT = Path("/")
_ENGINES = ("docker", "podman")
_ENGINE_SECONDS = 20
_COMPILERS = {
    "gcc": ("g++", "gcc-c++", "Compiles torch_npu and the kernels; each recipe names its own bound."),
    "make": ("make", "make", "Runs those builds."),
    "cmake": ("cmake", "cmake", "Runs those builds where a recipe does not bring its own."),
}
"""By name, the packages of apt and of dnf that bring a tool, and what it does."""


@dataclass(frozen=True, kw_only=True)
class HostNeed:
    """One thing that was looked at, and what it is needed for."""

    purpose: Purpose
    finding: HostFinding


def examine(folder: Path) -> list[HostNeed]:
    """Look at this host.

    Args:
        folder: Where wheelhouses are put.
    """
    make = [
        _python(),
        _tool("git", "Sources of SGLang and of builds are fetched with it.", apt="git", dnf="git"),
        _sandbox(),
        _store(default_root()),
        _output(folder),
        free_space(
            "disk for the store", default_root(), _STORE_SIZE, "Downloads and built wheels are kept there."
        ),
        free_space(
            "disk for a wheelhouse", folder, _FOLDER_SIZE, "Where it lies on the store's disk it takes none."
        ),
    ]
    return [
        *(HostNeed(purpose="make", finding=one) for one in make),
        *(HostNeed(purpose="build", finding=one) for one in _builders()),
    ]


def _python() -> HostFinding:
    found = f"{sys.version_info.major}.{sys.version_info.minor}"
    return HostFinding(
        name="python",
        found=found,
        wanted=">= 3.11",
        level="ok" if sys.version_info >= (3, 11) else "refuse",
        why="This tool and SGLang's build run on it.",
        command=install_command(_ROOT, apt="python3.11 python3.11-venv", dnf="python3.11"),
    )


def _tool(name: str, why: str, *, apt: str, dnf: str) -> HostFinding:
    path = shutil.which(name)
    return HostFinding(
        name=name,
        found=path or "none",
        wanted="on the path",
        level="ok" if path else "refuse",
        why=why,
        command=install_command(_ROOT, apt=apt, dnf=dnf),
    )


def _store(root: Path) -> HostFinding:
    """Say where the store is, and whether this user may write there and programs may run; it may not be there yet."""
    closed = programs_finding(root).level != "ok"
    level: Level = "warn" if closed else "ok"
    return HostFinding(
        name="writable store",
        found=f"{root}, from which no program may run" if closed else str(root),
        wanted="a folder that you may write to" + (", without the mount option noexec" if closed else ""),
        level=level if can_hold(root) else "refuse",
        why="All that is fetched and built is kept there, and what builds run.",
        command="export WHEELHOUSE_STORE=/FOLDER",
    )


def _output(folder: Path) -> HostFinding:
    return HostFinding(
        name="writable project folder",
        found=str(folder),
        wanted="a folder that you may write to",
        level="ok" if can_hold(folder) else "refuse",
        why="Wheelhouses are put there, unless --output names another folder.",
        command="cd /FOLDER",
    )


def _sandbox() -> HostFinding:
    level: Level = "ok"
    try:
        found = find_sandbox().name
    except WheelhouseError as error:
        found, level = error.why, "warn"
    return HostFinding(
        name="sandbox",
        found=found,
        wanted="bubblewrap, or user namespaces",
        level=level,
        why="Builds run in it without a network; without one the manifest says that a wheel was built unsealed.",
        command=install_command(_ROOT, apt="bubblewrap", dnf="bubblewrap"),
    )


def _builders() -> Iterator[HostFinding]:
    """Yield what building from source is done with."""
    found = {tool.name: tool for tool in reversed(candidates())}
    yield from (_compiler(name, found.get(name)) for name in _COMPILERS)
    ccache = shutil.which("ccache")
    yield HostFinding(
        name="ccache",
        found=ccache or "none",
        wanted="on the path, or a toolchain of ours",
        level="ok" if ccache else "warn",
        why="Without it a build that is killed, or whose source changed, compiles everything again.",
        command=install_command(_ROOT, apt="ccache", dnf="ccache"),
    )
    engine = next((path for name in _ENGINES if (path := shutil.which(name)) and _answers(path)), "")
    yield HostFinding(
        name="container engine",
        found=engine or "none that answers",
        wanted="docker or podman, for builds in an image",
        level="ok" if engine else "warn",
        why="Sources build in the image that their recipe names, with the compilers and CANN in it.",
        command=install_command(_ROOT, apt="podman crun", dnf="podman crun"),
    )
    cann = found.get("cann")
    yield HostFinding(
        name="cann",
        found=cann.version if cann else "none",
        wanted="for sgl-kernel-npu and deep_ep alone, or an engine",
        level="ok" if cann or engine else "warn",
        why="Their kernels are compiled by CANN's own compiler, here or from one imported by `invoke vendor FILE`.",
        command="invoke --help build",
    )


def _compiler(name: str, tool: Tool | None) -> HostFinding:
    apt, dnf, why = _COMPILERS[name]
    return HostFinding(
        name=name,
        found=f"{tool.version} ({tool.path})" if tool else "none",
        wanted="there, or an engine for the recipe's image",
        level="ok" if tool else "warn",
        why=why,
        command=install_command(_ROOT, apt=apt, dnf=dnf),
    )


def _answers(engine: str) -> bool:
    """Whether an engine works for this user: Docker's client is there on many hosts without its daemon."""
    try:
        return run([engine, "info"], check=False, timeout=_ENGINE_SECONDS).status == 0
    except (subprocess.TimeoutExpired, WheelhouseError):
        return False


def verdict(needs: Sequence[HostNeed]) -> str:
    """Say in one line what this host can."""
    makes = _lacking(needs, "make", lambda one: one.level == "refuse")
    if makes:
        return f"This host cannot make wheelhouses: {makes}."
    builds = _lacking(needs, "build", lambda one: one.found == "none" and one.name in {"gcc", "make"})
    engine = any(one.finding.name == "container engine" and one.finding.level == "ok" for one in needs)
    if builds and not engine:
        return (
            f"This host can make wheelhouses, but not build from source: {builds}, and no container engine."
        )
    where = "here" if not builds else "in a container"
    return f"This host can make wheelhouses, and build from source ({where})."


def _lacking(needs: Sequence[HostNeed], purpose: Purpose, bad: Callable[[HostFinding], bool]) -> str:
    names = [one.finding.name for one in needs if one.purpose == purpose and bad(one.finding)]
    return f"no {', no '.join(names)}" if names else ""


def is_node(root: Path = _ROOT) -> bool:
    """Whether this machine has NPUs, or a driver for them: then the question is what running needs."""
    return (root / "dev/davinci0").exists() or (root / "usr/local/Ascend/driver/version.info").exists()
