"""Does a node fit the cell of a wheelhouse? Each finding: found, wanted, why, the command that fixes it.

A `refuse` finding stops an install: the environment could not run there. A `warn` finding does not, since
CANN or the driver may come later or the node may only build.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import HostUnfitError
from ..seen import is_there
from . import pythons
from .host import DEVICES, Host
from .system import install_command
from .toolkits import numbers

Level = Literal["ok", "warn", "refuse"]
_OLDEST_GLIBC = (2, 28)
"""What the published wheels of torch need (`manylinux_2_28`)."""
PREFIX = "/opt/sglang-npu"
"""Where a command proposes to install when nobody named a prefix."""
_COLUMNS, _FEWEST, _INDENT = 80, 30, " " * 7
_BLOCK = 512
_GIB = 1 << 30
_DEFAULT_PYTHON = ("python", "3.11")
_COMPONENTS = {"cann": "cann-toolkit", "nnal": "nnal"}
_OWN_FOLDERS = (8, 5)
"""The first CANN that stands in a folder named after its version (docs/install.md, the environment)."""


class NodeUnfitError(HostUnfitError):
    """The node cannot run what the wheelhouse holds."""


@dataclass(frozen=True, kw_only=True)
class HostFinding:
    """One thing looked at.

    Args:
        name: What was looked at.
        found: What is there.
        wanted: What should be.
        level: `ok`, `warn` or `refuse`.
        why: What goes wrong otherwise.
        command: What fixes it, or empty.
        fix: The name of the change that `--fix` makes, or empty.
    """

    name: str
    found: str
    wanted: str
    level: Level
    why: str = ""
    command: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the finding as the object that `--json` prints."""
        return asdict(self)

    @property
    def head(self) -> str:
        """What was found and wanted, on one line."""
        return f"{self.level.upper():6} {self.name}: found {self.found}, wanted {self.wanted}"

    def line(self) -> str:
        """Return the finding for a person, folded to `columns()`; what fixes it stands below, whole, to be copied."""
        if self.level == "ok":
            return _wrapped(self.head)
        command = [_INDENT + self.command] if self.command else []
        return "\n".join(
            [_wrapped(self.head), *([_wrapped(_INDENT + self.why)] if self.why else []), *command]
        )

    def below(self, prefix: Path | None) -> HostFinding:
        """Return the finding with its command for the prefix that the user named."""
        if prefix is None:
            return self
        named = self.command.replace(f"--prefix {PREFIX}", f"--prefix {shlex.quote(os.fspath(prefix))}")
        return replace(self, command=named)


def columns() -> int:
    """Return how many characters a line for a person has: those of the terminal, 80 at the most and in a pipe."""
    here = shutil.get_terminal_size().columns if sys.stdout.isatty() else _COLUMNS
    return min(max(here, _FEWEST), _COLUMNS)


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, columns(), subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )


def cell_findings(host: Host, cell: Mapping[str, str], carried: Collection[str] = ()) -> list[HostFinding]:
    """Compare the node with a cell: machine, Python, glibc, CANN, NNAL, driver and chip.

    `carried` are the components whose packages the wheelhouse brings (`Contents.packaged`). A cell that says what it is
    for, and neither a CANN nor a chip, is that of a host: nothing in it runs on an NPU.
    """
    system = [_machine(host, cell), _python(host, cell), _glibc(host, cell)]
    if cell and not cell.get("cann") and not cell.get("npu"):
        return system
    return [
        *system,
        _toolkit(host, cell.get("cann", ""), carried),
        _package("nnal", host, host.nnal, cell.get("cann", ""), carried),
        _driver(host),
        _chip(host, cell),
    ]


def _machine(host: Host, cell: Mapping[str, str]) -> HostFinding:
    wanted = cell.get("machine", host.machine)
    return HostFinding(
        name="machine",
        found=host.machine,
        wanted=wanted,
        level="ok" if host.machine == wanted else "refuse",
        why="Its wheels hold machine code for one architecture.",
        command=f"invoke wheelhouse {cell_words(host, cell)}",
    )


def _python(host: Host, cell: Mapping[str, str]) -> HostFinding:
    """Look for the cell's CPython: the one that runs this, or another one of the node."""
    running = ".".join(map(str, host.python))
    wanted = cell.get("python", running)
    there = wanted if wanted == running else pythons.find(wanted)
    return HostFinding(
        name="python",
        found=there or f"{running}, and no python{wanted} on the path",
        wanted=wanted,
        level="ok" if there else "refuse",
        why="Compiled wheels fit one CPython only, and the environment is made with the node's own.",
        command=install_command(host.root, apt=f"python{wanted}", dnf=f"python{wanted}"),
    )


def cell_words(host: Host, cell: Mapping[str, str]) -> str:
    """Return the options that name the cell for the node as it is."""
    node = {
        "platform": host.machine,
        "npu": host.chip or cell.get("npu", ""),
        "python": cell.get("python", ""),
    }
    words = {"torch": cell.get("torch", ""), **node, "cann": cell.get("cann", "")}
    said = {name: value for name, value in words.items() if value and (name, value) != _DEFAULT_PYTHON}
    return " ".join(f"--{name} {value}" for name, value in said.items())


def _glibc(host: Host, cell: Mapping[str, str]) -> HostFinding:
    """Compare glibc; a node that has the oldest that torch itself takes can have a wheelhouse of its own."""
    wanted = cell.get("glibc", "")
    found = ".".join(map(str, host.glibc)) if host.glibc else "none"
    old = bool(wanted) and (host.glibc is None or host.glibc < numbers(wanted))
    served = bool(host.glibc and host.glibc >= _OLDEST_GLIBC)
    torch = cell.get("torch", "2.8.0")
    return HostFinding(
        name="glibc",
        found=found,
        wanted=f">= {wanted or 'any'}",
        level="refuse" if old else "ok",
        why="The wheels take symbols from that glibc; older systems fail at import."
        + ("" if served else " No torch is published for this one: the node needs a newer system."),
        command=f"invoke wheelhouse --torch {torch} --platform {host.machine} --glibc {found}"
        if served
        else "",
    )


def _toolkit(host: Host, wanted: str, carried: Collection[str]) -> HostFinding:
    if host.cann or len(host.canns) <= 1:
        return _package("cann", host, host.cann, wanted, carried)
    home = shlex.quote(str(host.ascend))
    return HostFinding(
        name="cann",
        found=" and ".join(host.canns),
        wanted=wanted or "one of them",
        level="refuse",
        why="Which of them is meant nobody can tell; libraries of two in one process fail without a word of it.",
        command=f"ls -d {home}/cann-* {home}/ascend-toolkit/*; "
        f"{pythons.PROGRAM} -I install.py --doctor --ascend {home}/cann",
    )


def _package(name: str, host: Host, found: str | None, wanted: str, carried: Collection[str]) -> HostFinding:
    """Compare CANN's toolkit or NNAL with the version wanted; what is not carried is downloaded from hiascend.com."""
    level: Level = "ok"
    brought = _COMPONENTS[name] in carried
    if found is None:
        level = "warn"
    elif wanted and numbers(found) < numbers(wanted):
        level = "refuse"
    return HostFinding(
        name=name,
        found=found or "none",
        wanted=f">= {wanted or 'any'}",
        level=level,
        why="torch_npu loads its libraries; symbols are missing in an older one."
        + ("" if brought else " No wheelhouse brings its package here: it comes from hiascend.com."),
        command=f"sudo {pythons.PROGRAM} -I install.py --prefix {PREFIX} --payloads"
        if brought
        else _by_hand(name, host, wanted),
    )


def _by_hand(name: str, host: Host, wanted: str) -> str:
    """Return what installs a package that was downloaded; arguments are those of `--payloads`, NNAL needs CANN's."""
    words = f"--quiet --install --install-for-all --install-path={shlex.quote(os.fspath(host.ascend))}"
    package = f"{wanted or '*'}_linux-{host.machine}.run"
    if name == "cann":
        return f"sudo sh ./Ascend-cann-toolkit_{package} --force {words}"
    version = wanted or host.cann or ""
    own = bool(version) and numbers(version) >= _OWN_FOLDERS
    toolkit = host.ascend / (f"cann-{version}" if own else "ascend-toolkit")
    script = shlex.quote(f"{toolkit}/set_env.sh")
    return f"sudo bash -c {shlex.quote(f'. {script} && sh ./Ascend-cann-nnal_{package} {words}')}"


def _driver(host: Host) -> HostFinding:
    return HostFinding(
        name="driver",
        found=host.driver or "none",
        wanted="installed",
        level="ok" if host.driver else "warn",
        why="Without the driver no NPU is seen; it belongs to the host, not to the wheelhouse.",
        command="sudo sh ./Ascend-hdk-*-npu-driver_*.run --full --install-for-all --quiet",
    )


def _chip(host: Host, cell: Mapping[str, str]) -> HostFinding:
    level: Level = "ok"
    wanted = cell.get("npu", "")
    if host.chip is None:
        level = "warn"
    elif wanted and host.chip != wanted:
        level = "refuse"
    return HostFinding(
        name="chip",
        found=host.chip or "none",
        wanted=wanted or "any",
        level=level,
        why=f"Kernels are compiled for one chip; a3 has {DEVICES['a3']} devices, 910b {DEVICES['910b']}.",
        command=f"invoke wheelhouse {cell_words(host, cell)}" if host.chip else "lspci -n -d 19e5:",
    )


def disk_finding(folder: Path, needed: int, *, left: Iterable[Path] = ()) -> HostFinding:
    """Compare the free space for this user where an environment will stand with what it takes, in bytes.

    Args:
        folder: Where it will stand; need not be there yet.
        needed: What it takes.
        left: Folders that are removed before: what they take counts as free where it is needed.
    """
    why = "A half-written environment is of no use."
    found = free_space("disk", folder, needed, why, level="refuse")
    if found.level == "ok":
        return found
    freed = _taken(left)
    again = free_space("disk", folder, needed - freed, why, level="refuse")
    told = f"{found.found}, {freed / _GIB:.1f} GiB of a run that was cut short" if freed else found.found
    return replace(again, found=told, wanted=found.wanted)


def _taken(folders: Iterable[Path]) -> int:
    """Return what folders take on their disk, in bytes; a file of several names counts once."""
    held: dict[tuple[int, int], int] = {}
    for folder in folders:
        for base, _folders, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):
                    status = os.lstat(f"{base}/{name}")
                    held[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK
    return sum(held.values())


def free_space(name: str, folder: Path, needed: int, why: str, *, level: Level = "warn") -> HostFinding:
    """Compare the free space for this user below a folder, which may not be there yet, with what a step takes."""
    folder = _standing(folder)
    free = shutil.disk_usage(folder).free
    return HostFinding(
        name=name,
        found=f"{free / _GIB:.1f} GiB free",
        wanted=f"{needed / _GIB:.1f} GiB",
        level="ok" if free >= needed else level,
        why=why,
        command=f"df -h {shlex.quote(os.fspath(folder))}",
    )


def programs_finding(folder: Path) -> HostFinding:
    """Tell whether programs and libraries may run from where an environment will stand, which need not be there yet."""
    folder = _standing(folder)
    closed = no_program_runs(folder)
    place = shlex.quote(os.fspath(folder))
    return HostFinding(
        name="prefix",
        found="no program may run there" if closed else "programs may run there",
        wanted="a file system without the option noexec",
        level="refuse" if closed else "ok",
        why=f"The kernel loads no library and runs no program from the file system of {folder}.",
        command=f"findmnt -T {place} shows it; name a prefix elsewhere, or as root: "
        f"mount -o remount,exec $(findmnt -n -o TARGET -T {place})",
    )


def no_program_runs(folder: Path) -> bool:
    """Tell whether a folder is on a file system that is mounted `noexec`."""
    return bool(os.statvfs(folder).f_flag & os.ST_NOEXEC)


def _standing(folder: Path) -> Path:
    """Return a folder, or the first above it that is there."""
    while not is_there(folder):
        folder = folder.parent
    return folder


def require_fit(findings: Iterable[HostFinding]) -> None:
    """Raise where a finding refuses.

    Raises:
        NodeUnfitError: At least one does; the text tells each.
    """
    bad = [finding for finding in findings if finding.level == "refuse"]
    if bad:
        raise NodeUnfitError(
            f"This node does not fit the wheelhouse: {', '.join(finding.name for finding in bad)}.",
            why="\n".join(finding.line() for finding in bad),
            next_step=next((finding.command for finding in bad if finding.command), ""),
        )
