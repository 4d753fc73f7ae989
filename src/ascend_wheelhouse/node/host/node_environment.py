"""The environment of a node: the variables with which everything runs that uses an installed wheelhouse.

One function computes them, from the environment's folder, what the stack recommends and the CANN of the cell.
`activate`, `run`, `install.py --env`, the probes, the server and the payloads' own installers have them from here, and
through those the image, the Ansible role and the Slurm script.

CANN's scripts run in bash, without `set -u` (NNAL's reads ZSH_VERSION), in `/`, and after nothing of another CANN: what
a shell has from sourcing one is taken off its paths first. On PYTHONPATH stays what lies below CANN alone (its operator
compiler, `te` and `tbe`): the scripts leave an empty entry at its end, which Python takes for the folder it runs in.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import HostUnfitError, UsageError
from . import own_addresses
from .cann import Ascend

KEPT = (
    *("ASCEND", "ATB", "HCCL", "LCCL", "LD_LIBRARY_PATH", "PATH", "TOOLCHAIN_HOME", "TRITON_NPU", "NPU_"),
    *("CPLUS_INCLUDE", "CMAKE_PREFIX_PATH", "GLOO_SOCKET_IFNAME"),
)
"""How the names begin of what CANN's scripts set, of what steers CANN, and of the card by which torch's Gloo meets."""

_LISTS = (
    *("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "ASCEND_CUSTOM_OPP_PATH"),
    *("CMAKE_PREFIX_PATH", "CPLUS_INCLUDE_PATH"),
)
_ALWAYS = ("LD_PRELOAD", "PYTHONPATH", "VIRTUAL_ENV")
_OF_PYTHON = ("PYTHON", "VIRTUAL_ENV", "BASH_FUNC_")
_OF_THE_SHELL = frozenset(
    ("_", "SHLVL", "PWD", "OLDPWD", "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS1", "HOME")
)
_HOMES = ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", "ATB_HOME_PATH")
_OF_CANN = re.compile(r"cann(-.+)?|ascend-toolkit|latest|nnal|cxx_abi_\d|\d.*")
"""What CANN's packages call the folders that they make: of a toolkit, of NNAL, of BiSheng's compiler (a version)."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BadVariableError(UsageError):
    """The manifest names a variable that a shell cannot have."""


class AscendScriptError(HostUnfitError):
    """A script that sets CANN's variables ended the shell, or set those of another CANN."""


@dataclass(frozen=True, kw_only=True)
class NodeEnvironment:
    """What to set and what to take away.

    Args:
        variables: Names and values.
        unset: Names that must not be set.
        dropped: Entries of a caller's PYTHONPATH that are left out.
    """

    variables: Mapping[str, str]
    unset: tuple[str, ...]
    dropped: tuple[str, ...]

    def shell(self) -> str:
        """Return lines that a POSIX shell evaluates."""
        lines = [f"unset {name}" for name in self.unset]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(self.variables.items())]
        return "\n".join(lines)


def compute(
    found: Ascend,
    environment: Path,
    *,
    recommended: Mapping[str, str] | None = None,
    inherited: Mapping[str, str] | None = None,
    machine: str = "",
) -> NodeEnvironment:
    """Compute the variables of an environment.

    Args:
        found: The machine's CANN.
        environment: The virtual environment's folder.
        recommended: What the stack recommends; what the caller has set already stays.
        inherited: The caller's variables; those of this process when None.
        machine: The node's machine: on aarch64 torch's OpenMP library is loaded before all else.

    Raises:
        BadVariableError: A recommended name is not one of a shell variable.
        AscendScriptError: A script ended the shell, or set the variables of another CANN.
    """
    check_names(recommended or {})
    caller = dict(os.environ if inherited is None else inherited)
    base = _without_traces(caller, found)
    base["PATH"] = _joined([str(environment / "bin"), *_entries(base.get("PATH") or _SYSTEM_PATH)])
    after = _sourced(found, base) if found.scripts else base
    path = [entry for entry in _entries(after.get("PYTHONPATH", "")) if _is_canns(entry, found)]
    after |= {name: _joined(_entries(after[name])) for name in _LISTS if name in after}
    after |= {"PYTHONPATH": _joined(path), "VIRTUAL_ENV": str(environment)}
    after |= {name: value for name, value in (recommended or {}).items() if name not in caller}
    after |= own_addresses.exempted(after)
    if machine == "aarch64" and (library := openmp_library(environment)):
        after["LD_PRELOAD"] = _joined([str(library), *caller.get("LD_PRELOAD", "").split(":")])
    told = {name: value for name, value in after.items() if value or name not in _LISTS}
    always = {*_ALWAYS, *(recommended or {})}
    changed = {
        name
        for name, value in told.items()
        if caller.get(name) != value or name.startswith(KEPT) or name in always
    }
    return NodeEnvironment(
        variables={name: told[name] for name in sorted(changed) if name not in _OF_THE_SHELL},
        unset=tuple(sorted(({"PYTHONHOME", "PYTHONPATH"} | {*_LISTS} & caller.keys()) - told.keys())),
        dropped=tuple(
            entry for entry in caller.get("PYTHONPATH", "").split(":") if entry and entry not in path
        ),
    )


def check_names(names: Mapping[str, str]) -> None:
    """Refuse what a shell cannot have.

    Raises:
        BadVariableError: A name is not one of a shell variable.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadVariableError(
                f"The manifest sets the variable {name!r}, which no shell can have.",
                why="The manifest was not written by this tool, or `environment` in recipes/serving is wrong.",
                next_step="correct `environment` in recipes/serving, and make the wheelhouse again",
            )


def openmp_library(environment: Path) -> Path | None:
    """Return the OpenMP library that torch brought, which must be loaded before all else on aarch64.

    Loaded late it finds no static thread storage left ("cannot allocate memory in static TLS block").
    """
    pattern = "lib/python3.*/site-packages/torch.libs/libgomp*.so*"
    return next(iter(sorted(environment.glob(pattern))), None)


def _entries(text: str) -> list[str]:
    """Return the folders of a list; an empty or relative one means wherever a process stands, and is left out."""
    return [entry for entry in text.split(":") if entry.startswith("/")]


def _joined(entries: Sequence[str]) -> str:
    return ":".join(dict.fromkeys(entry for entry in entries if entry))


def _without_traces(caller: Mapping[str, str], found: Ascend) -> dict[str, str]:
    """Return a caller's variables as they are before any CANN is sourced; the driver's folders belong to the host."""
    away = _OF_THE_SHELL - {"HOME"}
    base = {
        name: value for name, value in caller.items() if name not in away and not name.startswith(_OF_PYTHON)
    }
    for name in _LISTS:
        if name in base:
            base[name] = _joined([one for one in _entries(base[name]) if not _is_trace(one, caller, found)])
    return base


def _is_trace(entry: str, caller: Mapping[str, str], found: Ascend) -> bool:
    """Whether a folder was put onto a path by a script of some CANN that the caller had sourced."""
    sourced = (caller.get(name, "").rstrip("/") for name in _HOMES)
    homes = [home for home in sourced if _OF_CANN.fullmatch(os.path.basename(home))]  # noqa: PTH119
    return _in_parts(entry, found.root) or any(_below(entry, home) for home in homes)


def _in_parts(entry: str, root: str) -> bool:
    """Whether a folder lies in what CANN's packages make below its root, which may hold other things as well."""
    inner = os.path.normpath(entry).removeprefix(root.rstrip("/") + "/").partition("/")[0]
    return bool(root) and _below(entry, root) and _OF_CANN.fullmatch(inner) is not None


def _below(entry: str, folder: str) -> bool:
    return os.path.normpath(entry).startswith(folder.rstrip("/") + "/")


def _sourced(found: Ascend, base: Mapping[str, str]) -> dict[str, str]:
    lines = [f"printf '%s\\n' {shlex.quote(path)} >&3; . {shlex.quote(path)}" for path in found.scripts]
    done = subprocess.run(
        [_bash(), "-c", "\n".join(["exec 3>&1 >/dev/null 2>&1", *lines, "printf '\\0' >&3; env -0 >&3"])],
        cwd="/",  # NNAL's script has a Python import torch, which must not be one of the folder we stand in
        env={"HOME": "/", **base},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    begun, _, rest = done.stdout.decode("utf-8", "surrogateescape").partition("\0")
    if not rest:
        last = (begun.splitlines() or ["bash"])[-1]
        raise AscendScriptError(
            f"{last} ended the shell that sourced it, with status {done.returncode}.",
            why="It sets the variables without which nothing of CANN is found.",
            next_step=f"bash -c {shlex.quote(f'. {shlex.quote(last)}; env')} shows what it says",
        )
    after = {name: value for name, _, value in (item.partition("=") for item in rest.split("\0")) if name}
    _require_same(found, after)
    return after


def _bash() -> str:
    found = shutil.which("bash", path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")
    if found is None:
        raise AscendScriptError("There is no bash.", why="CANN's scripts need it.", next_step="install bash")
    return found


def _require_same(found: Ascend, after: Mapping[str, str]) -> None:
    told, meant = after.get("ASCEND_HOME_PATH", ""), found.toolkit
    outside = found.outside.rstrip("/")
    if not (told and meant and os.path.isdir(outside + told)):  # noqa: PTH112
        return
    if os.path.realpath(outside + told) != os.path.realpath(outside + meant):
        raise AscendScriptError(
            f"{found.scripts[0]} sets the variables of {told}, not of {meant} (CANN {found.version}).",
            why="Another version was installed over it, so that its script points elsewhere.",
            next_step=f"install CANN {found.version} again, or name another folder: --ascend DIR",
        )


def _is_canns(entry: str, found: Ascend) -> bool:
    """Whether a folder for Python modules lies in CANN, by its name and in truth."""
    outside = found.outside.rstrip("/")
    real, root = os.path.realpath(outside + entry), os.path.realpath(outside + found.root)
    named = _in_parts(entry, found.root) or (bool(found.toolkit) and _below(entry, found.toolkit))
    home = os.path.realpath(outside + found.toolkit)
    return named and (_in_parts(real, root) or (bool(found.toolkit) and _below(real, home)))


def modules_flags(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return what keeps a Python from importing what lies around it, while what PYTHONPATH names stays in reach."""
    return ("-s", "-P") if variables.get("PYTHONPATH") else ("-I",)
