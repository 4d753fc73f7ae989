"""`install.py --env`: print the variables of an environment for a shell to evaluate, or as one object."""

from __future__ import annotations

from pathlib import Path

from .. import documents
from ..errors import UsageError
from ..host import cann
from ..host.node_environment import NodeEnvironment, compute
from ..layout import MANIFEST
from ..reading.contents import Contents, ManifestError, read_contents
from ..talk import Talk
from . import own_python
from .receipt import again, recorded


class NotAnEnvironmentError(UsageError):
    """What was named as an environment is none."""


def show(environment: Path, ascend: str, machine: str, talk: Talk) -> int:
    """Print an environment's variables and return the exit code.

    Args:
        environment: The environment's folder.
        ascend: The folder of CANN that a person named, or empty.
        machine: The node's machine.
        talk: How the answer is given.

    Raises:
        NotAnEnvironmentError: There is no environment in that folder.
        ManifestError: The environment has no manifest.
        OwnPythonError: The Python that the environment was made with does not start, or is another one now.
        SeveralToolkitsError: Several CANN stand there and none is the cell's.
        AscendScriptError: One of CANN's scripts does not do what it should.
    """
    contents = _contents(environment)
    own_python.require(environment)
    wanted = contents.cell.get("cann", "")
    found = cann.look(wanted, named=ascend, recorded=str(recorded(environment).get("ascend", "")))
    made = compute(found, environment, recommended=contents.environment, machine=machine)
    _remark(found, made, talk)
    facts = {
        "ascend": found.root,
        "cann": found.version,
        "environment": str(environment),
        "scripts": list(found.scripts),
        "toolkit": found.toolkit,
        "unset": list(made.unset),
        "variables": dict(made.variables),
    }
    head = [f"# sourced: {script}" for script in found.scripts] or [f"# no CANN in {found.root}"]
    talk.answer("\n".join([*head, made.shell()]), facts)
    return 0


def _contents(environment: Path) -> Contents:
    if not (environment / "lib").is_dir():
        raise NotAnEnvironmentError(
            f"{environment} is no environment.",
            why="The path was mistyped, or the environment was removed.",
            next_step="--environment with the folder of one, such as PREFIX/envs/0001, or --prefix for the one in use",
        )
    try:
        return read_contents(documents.bytes_of(environment / MANIFEST))
    except OSError as error:
        raise ManifestError(
            f"{environment / MANIFEST} cannot be read: {error.strerror}.",
            next_step=again(environment),
        ) from error


def _remark(found: cann.Ascend, made: NodeEnvironment, talk: Talk) -> None:
    if made.dropped:
        left = ":".join(made.dropped)
        talk.note(
            f"note: PYTHONPATH {left} is left out: it would stand before what was installed and proven."
            " Set it again afterwards if it is meant."
        )
    if not found.toolkit and found.devices:
        talk.note(f"note: {cann.NO_CANN}")
