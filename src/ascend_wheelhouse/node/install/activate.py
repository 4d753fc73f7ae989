"""The two ways into an environment: `activate`, to be sourced, and `run`, to start one command.

Order matters: the environment first, then CANN's `set_env.sh`, then NNAL's, which picks its C++ ABI by
looking at the torch that is active while it is sourced; BiSheng's and the custom operators' come last. Those
scripts break under `set -u` and some need bash. A variable that the caller has set already is left alone.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from ..errors import UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXECUTABLE = 0o755

_ACTIVATE = """\
# Source this from bash or another POSIX shell: it enters the environment and the Ascend software below.
# Written by install.py; a new install writes it anew.
_npu_flags=$-
set +u
. {env}/bin/activate
_npu_root=${{ASCEND_ROOT:-{ascend}}}
_npu_source() {{ for _npu_file in "$@"; do if [ -f "$_npu_file" ]; then . "$_npu_file"; return; fi; done; }}
_npu_source "$_npu_root/cann/set_env.sh" "$_npu_root/ascend-toolkit/set_env.sh"
_npu_source "$_npu_root/nnal/atb/set_env.sh"
_npu_source "$_npu_root"/*/bisheng_toolkit/set_env.sh
if [ -n "${{BASH_VERSION:-}}" ] && [ -n "${{ASCEND_HOME_PATH:-}}" ]; then
    for _npu_file in "$ASCEND_HOME_PATH"/opp/vendors/*/bin/set_env.bash; do _npu_source "$_npu_file"; done
fi
{variables}
case $_npu_flags in *u*) set -u ;; esac
unset _npu_flags _npu_root _npu_file
unset -f _npu_source
"""

_RUN = """\
#!/usr/bin/env bash
# Runs one command inside the environment: run python -m sglang.launch_server ...
. {env}/activate
exec "$@"
"""


class BadVariableError(UsageError):
    """The manifest names a variable that a shell cannot have."""


def write_doors(env: Path, variables: Mapping[str, str], *, machine: str, ascend: str) -> None:
    """Write `activate` and `run` into an environment.

    Args:
        env: The environment, at its final place.
        variables: What the server wants to be set.
        machine: The node's machine; on aarch64 torch's OpenMP library is loaded first.
        ascend: The folder that holds CANN and NNAL.

    Raises:
        BadVariableError: A name is not one of a shell variable.
    """
    wanted = dict(variables)
    preload = openmp_library(env) if machine == "aarch64" else None
    lines = [_assignment(name, value) for name, value in sorted(wanted.items())]
    if preload:
        lines.append(f"export LD_PRELOAD={shlex.quote(str(preload))}${{LD_PRELOAD:+:$LD_PRELOAD}}")
    place = {"env": shlex.quote(str(env)), "ascend": shlex.quote(ascend)}
    (env / "activate").write_text(_ACTIVATE.format(variables="\n".join(lines), **place))
    run = env / "run"
    run.write_text(_RUN.format(**place))
    run.chmod(_EXECUTABLE)


def _assignment(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadVariableError(
            f"The manifest sets the variable {name!r}, which no shell can have.",
            why="The manifest was not written by this tool, or `environment` in recipes/serving is wrong.",
            next_step="correct `environment` in recipes/serving, and make the wheelhouse again",
        )
    return f'if [ -z "${{{name}+set}}" ]; then export {name}={shlex.quote(value)}; fi'


def openmp_library(env: Path) -> Path | None:
    """Return the OpenMP library that torch brought, which must be loaded before all else on aarch64.

    Loaded late it finds no static thread storage left ("cannot allocate memory in static TLS block").
    """
    return next(iter(sorted(env.glob("lib/python3.*/site-packages/torch.libs/libgomp*.so*"))), None)
