"""Locked build environments: installed from the store into a fixed place, in the sandbox.

Nothing floats: every wheel is named by file and digest, and the installation runs in the sandbox, where
there is no index to fall back on. An environment is kept by the digest of its wheels, its interpreter and
its place, and shown read-only to every build that has the same. `pin/build_environment.py` decides what it holds.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import uv
from packaging.utils import parse_wheel_filename

from ascend_wheelhouse.base import full_disk, rights
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import BuildError, HostUnfitError
from ascend_wheelhouse.base.interpreters import INSTALL, find_python
from ascend_wheelhouse.base.process import Finished, run
from ascend_wheelhouse.build.conditions import NORMAL, Conditions
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.laid_out import mark_used
from ascend_wheelhouse.build.sandbox import Cage, Mount, Sandbox
from ascend_wheelhouse.store.store import Store

_COMPLETE = "complete"
"""The file that tells that an environment is whole."""
_FACTS = """
import sys, sysconfig
print(sys.base_prefix, sys.version.replace("\\n", " "), sep="\\n")
print(sysconfig.get_config_var("CFLAGS"), sysconfig.get_config_var("SOABI"))
"""


class EnvironmentFailedError(BuildError):
    """The wheels of a build environment could not be installed."""


class InterpreterMissingError(HostUnfitError):
    """This host has no CPython of the version that the build is for."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A CPython: its program, the folder of its installation, and the digest of its version and flags."""

    program: Path
    prefix: Path
    identity: str

    @property
    def name(self) -> str:
        """What the key and the manifest call it: its program's name, and its version and flags as a digest."""
        return f"{self.program.name} {self.identity[:12]}"

    @property
    def of_system(self) -> bool:
        """Whether its folder is a system's: such a path in a wheel says nothing of the builder."""
        return str(self.prefix) in {"/usr", "/usr/local"}


def find_interpreter(python: str) -> Interpreter:
    """Return the CPython `major.minor` of this host, the one that runs this tool where it fits.

    Raises:
        InterpreterMissingError: There is none.
    """
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    program = Path(sys.base_prefix, "bin", f"python{own}") if own == python else _elsewhere(python)
    prefix, *facts = _facts(program, program.stat().st_mtime_ns)
    return Interpreter(program=program, prefix=Path(prefix), identity=digest_of({"facts": facts}))


@cache
def _facts(program: Path, _changed: int) -> tuple[str, ...]:
    """Ask a Python for its folder, version and flags; once while its file stays as it is."""
    return tuple(run([program, "-I", "-c", _FACTS]).stdout.splitlines())


def _elsewhere(python: str) -> Path:
    found = find_python(python)
    if found is None:
        raise InterpreterMissingError(
            f"This host has no CPython {python}.",
            why="A wheel is compiled against the headers of the Python that it is for.",
            next_step=INSTALL.format(version=python),
        )
    return found.resolve()


@dataclass(frozen=True, kw_only=True)
class Environment:
    """An installed build environment: its folder on the host, and where a build sees it."""

    folder: Path
    seen: str


def planned(
    files: Sequence[Artifact],
    interpreter: Interpreter,
    *,
    store: Store,
    sandbox: Sandbox,
    conditions: Conditions = NORMAL,
    folder: Path | None = None,
) -> Environment:
    """Return where an environment lies, whether it is installed or not.

    Args:
        files: Its wheels.
        interpreter: The CPython that it is made from.
        store: Where the wheels are.
        sandbox: Where it is installed, and where the build runs.
        conditions: What the build sees of the builder.
        folder: Where it lies; in the store when None, to be kept for other builds.
    """
    facts = {
        "files": sorted(file.sha256 for file in files),
        "python": interpreter.identity,
        "prefix": str(interpreter.prefix),
        "root": conditions.root if sandbox.sealed else "",
        "sandbox": sandbox.name,
    }
    place = (folder or store.root / "environments") / digest_of(facts)[:20]
    if not os.access(place / _COMPLETE, os.F_OK):
        place = rights.own(place)
    seen = f"{conditions.root}/env" if sandbox.sealed else str(place / "env")
    return Environment(folder=place / "env", seen=seen)


def install(
    environment: Environment,
    files: Sequence[Artifact],
    interpreter: Interpreter,
    *,
    store: Store,
    sandbox: Sandbox,
    conditions: Conditions = NORMAL,
) -> None:
    """Install an environment that was planned from the same, unless it is there.

    Raises:
        BlobMissingError, DamagedBlobError: A wheel is not in the store, or was damaged there.
        EnvironmentFailedError: The installation failed.
        OSError: The disk is full; what was installed is removed.
    """
    place, seen = environment.folder.parent, environment.seen
    with store.lock(f"environment-{place.name}"):
        if not (place / _COMPLETE).exists():
            _install(files, interpreter, place, seen, store=store, sandbox=sandbox, conditions=conditions)
            rights.share_tree(place)
            (place / _COMPLETE).touch()
        mark_used(place)


def _install(
    files: Sequence[Artifact],
    interpreter: Interpreter,
    place: Path,
    seen: str,
    *,
    store: Store,
    sandbox: Sandbox,
    conditions: Conditions,
) -> None:
    shutil.rmtree(place, ignore_errors=True)
    rights.make_folder(place.parent.parent, place.parent.name)
    (place / "wheels").mkdir(parents=True)
    (place / "env").mkdir()
    for file in files:
        store.size_of(file.sha256)
        _show(store.path(file.sha256), place / "wheels" / file.filename)
    lines = (f"{_pin(file.filename)} --hash=sha256:{file.sha256}\n" for file in files)
    (place / "requirements.txt").write_text("".join(lines), encoding="utf-8")
    root = conditions.root if sandbox.sealed else str(place)
    program = Path(uv.find_uv_bin())
    cage = Cage(
        work=place,
        mounts=(
            Mount(source=interpreter.prefix, target=str(interpreter.prefix), system=True),
            Mount(source=program, target=str(program)),
        ),
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "UV_NO_CONFIG": "1", "LC_ALL": "C.UTF-8"},
        cwd=root,
        conditions=replace(conditions, root=root, umask=0o022),
    )
    done = run(
        sandbox.command(cage, ["/bin/sh", "-c", _script(program, interpreter, root, seen)]), check=False
    )
    shutil.rmtree(place / "wheels")
    if done.status != 0:
        store.prove([file.sha256 for file in files])
        raise _failed(done, place)


def _failed(done: Finished, place: Path) -> OSError | EnvironmentFailedError:
    """Return why an installation failed; where the disk is full, what is there is removed."""
    if full := full_disk.told_by("uv", f"{done.stderr}\n{done.stdout}"):
        shutil.rmtree(place)
        return full
    return EnvironmentFailedError(
        "The build environment could not be installed.",
        why=(done.stderr or done.stdout).strip()[-800:],
        next_step="run `invoke lock --upgrade {cell}`: the locked wheels do not fit this builder",
    )


def _script(program: Path, interpreter: Interpreter, root: str, seen: str) -> str:
    options = ("--offline", "--no-index", "--no-deps", "--no-cache", "--require-hashes", "--link-mode=copy")
    venv = ("venv", "--quiet", "--offline", "--no-cache", "--clear", "--python", interpreter.program, seen)
    wheels = ("--find-links", f"{root}/wheels", "--python", seen, "-r", f"{root}/requirements.txt")
    install = ("pip", "install", "--quiet", *options, *wheels)
    return " && ".join(shlex.join(map(str, (program, *words))) for words in (venv, install))


def _show(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _pin(filename: str) -> str:
    name, version, _, _ = parse_wheel_filename(filename)
    return f"{name}=={version}"
