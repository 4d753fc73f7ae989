"""The Python that an environment was made with: it is the node's, and may be removed or replaced behind the name."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import HostUnfitError
from ..host import pythons
from ..host.system import install_command
from .receipt import again


class OwnPythonError(HostUnfitError):
    """The Python that an environment was made with is gone, or another one stands in its place."""


def require(env: Path, *options: str) -> None:
    """Hold an environment to the Python that it was made with.

    Args:
        env: The environment.
        options: What the command that installs it again says besides.

    Raises:
        OwnPythonError: It does not start, or is another version now.
    """
    if pythons.starts(env):
        return
    version, program = pythons.made_with(env), env / pythons.OWN
    package = install_command(Path("/"), apt=f"python{version}", dnf=f"python{version}")
    raise OwnPythonError(
        f"{program} starts no Python {version}, which {env} was made with.",
        why=f"It leads to {os.path.realpath(program)}: removed or replaced since, or not yours to start.",
        next_step=f"put Python {version} there again (`{package}` where it was the system's), or install anew: "
        f"{again(env, *options)}",
    )
