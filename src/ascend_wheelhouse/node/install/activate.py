"""The two ways into an environment: `activate`, to be sourced, and `run`, to start one command.

Both ask the installer, which stands in the environment as `install.py`, for the node's variables when they are
used (`--env`): CANN may come, move or be replaced after the install, and NNAL chooses its C++ ABI by the torch that is
active. CANN's scripts need bash and break under `set -u`; what is evaluated here suits any POSIX shell.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from ..host import pythons
from ..host.node_environment import check_names
from ..host.system import install_command
from ..layout import INSTALLER
from ..place import as_archive
from .shared import root_of

ENTRIES = ("activate", "run")
_EXECUTABLE = 0o755

_ACTIVATE = """\
# Source this from bash or another POSIX shell: it enters the environment and the Ascend software below.
# Written by install.py; a new install writes it anew.
if _npu_text=$({env}/bin/python -I {env}/{installer} --env --environment {env}); then
    . {env}/bin/activate
    eval "$_npu_text"
    unset _npu_text
else
    _npu_text=$?
    case $_npu_text in 126 | 127)  # what a shell says of a program that does not start
        printf '%s\n\n' {gone} >&2
        _npu_text=10 ;;
    esac
    return "$_npu_text"
fi
"""

_RUN = """\
#!/bin/sh
# Runs one command inside the environment: run python -m sglang.launch_server ...
. {env}/activate || exit
exec "$@"
"""


def write_entries(env: Path, variables: Mapping[str, str]) -> None:
    """Write `activate`, `run` and the installer that both ask into an environment.

    Args:
        env: The environment, at its final place.
        variables: What the server wants to be set, as the manifest has it.

    Raises:
        BadVariableError: A name is not one of a shell variable.
    """
    check_names(variables)
    (env / INSTALLER).write_bytes(as_archive())
    place = {"env": shlex.quote(str(env)), "installer": INSTALLER, "gone": shlex.join(_gone(env))}
    (env / "activate").write_text(_ACTIVATE.format(**place))
    run = env / "run"
    run.write_text(_RUN.format(**place))
    run.chmod(_EXECUTABLE)


def _gone(env: Path) -> tuple[str, str, str]:
    """Return what a shell says where the environment's Python does not start, and so cannot say it."""
    version = pythons.made_with(env) or pythons.running()
    look = shlex.join(
        [f"python{version}", "-I", str(env / INSTALLER), "--prefix", str(root_of(env)), "--check"]
    )
    package = install_command(Path("/"), apt=f"python{version}", dnf=f"python{version}")
    return (
        f"error: {env}/bin/python does not start.",
        "It leads to a Python of this node: removed or replaced since the install, or not yours to start.",
        f"Next: {look}, which says what installs it again; where no python{version} is: {package}",
    )


def astray(root: Path) -> list[str]:
    """Return the entries of a prefix that do not lead into the environment in use."""
    return [name for name in ENTRIES if not _leads(root / name, f"current/{name}")]


def lead_in(root: Path) -> list[str]:
    """Have the entries of a prefix lead into the environment in use, and return those that did not."""
    wrong = astray(root)
    for name in wrong:
        point(root / name, f"current/{name}")
    return wrong


def point(link: Path, target: str) -> None:
    """Have a symlink lead to a target, by one rename; one that does so already is left."""
    if _leads(link, target):
        return
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _leads(link: Path, target: str) -> bool:
    return link.is_symlink() and str(link.readlink()) == target
