"""What serving takes of a node besides the cell's versions.

A C++ compiler, a fitting driver, the Python packages of CANN's own tools, links between nodes, space for each step.
Sources: triton-ascend 3.2.0 compiles its launcher with the host's C++ compiler when a kernel first runs; CANN's
installation pages ask for gcc 7.3.0 or later, and name drivers and Python packages (the manifest's `node`, from the
recipe); hccn_tool's place, words and answer in Ascend/mindcluster-deploy:npu_collector/npu_info_collect_compatible.sh
and SH-AIT/BooM:script/mindspore-deepseek/workspace/roles/prepare/files/lib/net_check.sh.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..reading.contents import Contents
from ..seen import is_file, is_there
from . import pythons
from .fitness import PREFIX, HostFinding, free_space, no_program_runs
from .host import Host
from .requirement import split_requirement, within
from .system import install_command
from .toolkits import at_home, numbers

_GIB = 1 << 30
_COMPILERS = ("clang++", "g++", "c++")
_OLDEST_GCC = "7.3.0"
_HCCN_TOOL = "usr/local/Ascend/driver/tools/hccn_tool"
_HCCN_SECONDS = 10
_UNPACKED = 3
"""How many times its size a package of CANN takes while it is unpacked and installed (estimated, not measured)."""

_CACHE_SIZE = 4 * _GIB
"""For compiled kernels; models come on top."""


def ready(host: Host, contents: Contents | None) -> list[HostFinding]:
    """Look at what serving takes; a wheelhouse's manifest says what its cell is stated to run with."""
    needs = contents.node if contents else {}
    source = str(needs.get("source", ""))
    return [
        compiler_finding(host),
        *_driver(host, [str(line) for line in needs.get("hdk", ())], source),
        *(
            _python_of_cann(contents, [str(need) for need in needs.get("python", ())], source)
            if contents
            else ()
        ),
        _huge_pages(host),
        *_links(host),
        *_space(host, contents),
    ]


def compiler_finding(host: Host) -> HostFinding:
    """Look for the C++ compiler that triton-ascend calls."""
    path = next((found for name in _COMPILERS if (found := _program(host.root, name))), "")
    version = _compiler_version(path) if path else ""
    old = path.endswith("g++") and bool(version) and numbers(version) < numbers(_OLDEST_GCC)
    return HostFinding(
        name="c++ compiler",
        found=f"{path} {version}".strip() or "none",
        wanted=f"clang++, or g++ >= {_OLDEST_GCC}",
        level="warn" if old or not path else "ok",
        why="triton-ascend compiles each kernel's launcher on the node, when it first runs.",
        command=install_command(host.root, apt="g++", dnf="gcc-c++"),
    )


def _program(root: Path, name: str) -> str:
    if root == Path("/"):
        return shutil.which(name) or ""
    path = root / "usr/bin" / name
    return str(path) if is_file(path) else ""


def _compiler_version(path: str) -> str:
    try:
        done = subprocess.run(
            [path, "-dumpfullversion"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _driver(host: Host, lines: list[str], source: str) -> Iterator[HostFinding]:
    if host.driver is None or not lines:
        return
    fits = any(numbers(host.driver)[:2] == numbers(line) for line in lines)
    yield HostFinding(
        name="driver release",
        found=host.driver,
        wanted=f"HDK {', '.join(lines)}",
        level="ok" if fits else "warn",
        why=f"CANN is stated to run with these ({source}); an older driver lacks calls that its runtime makes.",
        command="npu-smi info",
    )


def _python_of_cann(contents: Contents, needs: list[str], source: str) -> Iterator[HostFinding]:
    wheels = {entry.name.lower().replace("_", "-"): entry.version for entry in contents.of_kind("wheel")}
    outside = {}
    for need in needs:
        name, bounds = split_requirement(need)
        if name in wheels and not within(wheels[name], bounds):
            outside[f"{name} {wheels[name]}"] = f"{name}{bounds}"
    named = ", ".join(needs) if needs else "upstream names no bound"
    yield HostFinding(
        name="python of cann",
        found=", ".join(outside) or "as CANN asks",
        wanted=", ".join(outside.values()) or named,
        level="warn" if outside else "ok",
        why="CANN's operator compiler (te, opc) imports them from this environment, and upstream tests it with those"
        f" ({source}). SGLang's own pins may rule them out; then compile an operator before you rely on it.",
        command=f"{pythons.PROGRAM} -I install.py --prefix {PREFIX} --verify --only npu-compile"
        if outside
        else "",
    )


def _huge_pages(host: Host) -> HostFinding:
    reserved = "unknown" if host.huge_pages is None else str(host.huge_pages)
    return HostFinding(
        name="huge pages",
        found=f"{reserved} reserved, transparent: {host.transparent_pages or 'unknown'}",
        wanted="neither SGLang's guide nor CANN's pages ask for any",
        level="ok",
        why="Reserved ones are lost to whatever does not ask for them.",
        command="grep -i huge /proc/meminfo",
    )


def _links(host: Host) -> Iterator[HostFinding]:
    if not host.devices:
        return
    tool = host.root / _HCCN_TOOL
    words = f"/{_HCCN_TOOL} -i 0 -link -g"
    why = "Devices of other nodes are reached by these links (RoCE); one node alone serves without."
    if not is_file(tool):
        found = "no hccn_tool"
        yield HostFinding(
            name="hccl network", found=found, wanted="UP", level="warn", why=why, command=f"ls /{_HCCN_TOOL}"
        )
        return
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda number: _link_state(tool, number), range(host.devices)))
    down = {number: state for number, state in enumerate(states) if state != "UP"}
    first = next(iter(down), 0)
    listed = ", ".join(f"device {number} {state}" for number, state in down.items())
    yield HostFinding(
        name="hccl network",
        found=f"{len(states) - len(down)} of {len(states)} links UP" + (f"; {listed}" if down else ""),
        wanted="UP",
        level="warn" if down else "ok",
        why=why,
        command=words.replace("-i 0", f"-i {first}"),
    )


def _link_state(tool: Path, number: int) -> str:
    try:
        done = subprocess.run(
            [tool, "-i", str(number), "-link", "-g"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_HCCN_SECONDS,
            check=False,
        )
    except OSError as error:
        return f"cannot be asked: {error.strerror}"
    except subprocess.TimeoutExpired:
        return "gives no answer"
    found = re.search(r"link status:\s*(\S+)", done.stdout, re.IGNORECASE)
    return found[1].upper() if found else f"cannot be told (status {done.returncode})"


def _space(host: Host, contents: Contents | None) -> Iterator[HostFinding]:
    packages = [entry.size for entry in contents.of_kind("payload")] if contents else []
    if packages:
        why = "CANN's packages are unpacked beside where they go."
        yield free_space("disk for payloads", host.ascend, _UNPACKED * sum(packages), why)
        place = unpacking_place() if host.root == Path("/") else host.root / "tmp"
        why = "A package unpacks itself below TMPDIR, or /tmp, before it installs."
        yield free_space("disk for unpacking", place, _UNPACKED * max(packages), why)
        yield _unpacked_programs(place)
    why = (
        "Compiled kernels are kept there, and models that are downloaded: those need their own space on top."
    )
    home = at_home("~") if host.root == Path("/") else host.root / "root"
    if home.is_absolute():
        yield free_space("disk for the cache", home / ".cache", _CACHE_SIZE, why)
    else:
        yield _homeless(why)


def unpacking_place() -> Path:
    """Return the folder below which a `.run` package unpacks itself here: makeself's, which is their form."""
    return Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - named alone


def _unpacked_programs(place: Path) -> HostFinding:
    """Tell whether a package may run its own installer from where it unpacks itself (Debian's makeself cannot)."""
    closed = is_there(place) and no_program_runs(place)
    return HostFinding(
        name="unpacking",
        found="no program may run there" if closed else "programs may run there",
        wanted="a file system without the option noexec",
        level="warn" if closed else "ok",
        why=f"A package runs the installer that it unpacked below {place}, or ends with `Permission denied`.",
        command="export TMPDIR=/var/tmp" if closed else "",
    )


def _homeless(why: str) -> HostFinding:
    """Tell that the user has no home folder: no HOME, and no entry in the system's list of users."""
    return HostFinding(
        name="disk for the cache",
        found="no home folder",
        wanted="a folder named by HOME",
        level="warn",
        why=why,
        command="export HOME=/var/tmp",
    )
