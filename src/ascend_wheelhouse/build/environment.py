"""Locked build environments: resolved once, then installed from the store into a fixed place, sealed.

Nothing floats: every wheel is named by file and digest, and the installation runs in the sandbox, where
there is no index to fall back on. An environment is kept by the digest of its wheels, its interpreter and
its place, and shown read-only to every build that has the same.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uv
from packaging.utils import parse_wheel_filename

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import BuildError, HostUnfitError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.conditions import NORMAL, Conditions
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.sandbox import Cage, Mount, Sandbox
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, IndexPin
from ascend_wheelhouse.resolve.request import Resolver, ResolveRequest
from ascend_wheelhouse.store.store import Store

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
    facts = run([program, "-I", "-c", _FACTS]).stdout.splitlines()
    return Interpreter(program=program, prefix=Path(facts[0]), identity=digest_of({"facts": facts[1:]}))


def _elsewhere(python: str) -> Path:
    done = run([uv.find_uv_bin(), "python", "find", "--no-project", "--offline", python], check=False)
    if done.status != 0:
        raise InterpreterMissingError(
            f"This host has no CPython {python}.", next_step=f"install Python {python} with its headers"
        )
    return Path(done.stdout.strip()).resolve()


def lock_environment(
    requirements: Sequence[str],
    target: Target,
    *,
    resolver: Resolver,
    store: Store,
    emit: Emit,
    http: Http,
    constraints: Sequence[str] = (),
) -> tuple[Artifact, ...]:
    """Resolve build requirements for the builder and have every wheel in the store.

    Args:
        requirements: PEP 508 requirements, from the recipe and `build-system.requires`.
        target: The builder's machine, which a build shares with its wheel.
        resolver: What turns them into pins.
        store: Where the wheels go.
        emit: Told of the progress.
        http: The door to the indexes.
        constraints: The runtime lock's pins, so that torch is the very wheel that will be installed.
    """
    request = ResolveRequest(requirements=tuple(requirements), constraints=tuple(constraints), target=target)
    pins = [IndexPin(name=pin.name, version=pin.version) for pin in resolver.resolve(request).pins]
    finder = Finder(http)
    found = finder.find_all(pins, target, emit)
    downloads = [Download.of(file.artifact, name=file.name, urls=(file.url,)) for file in found]
    fetched = fetch_all(
        downloads,
        store,
        emit,
        http=http,
        locate=lambda one: finder.where(one.name, one.filename, one.sha256 or ""),
    )
    return tuple(sorted((one.artifact for one in fetched), key=lambda file: file.filename))


@dataclass(frozen=True, kw_only=True)
class Environment:
    """An installed build environment: its folder on the host, and where a build sees it."""

    folder: Path
    seen: str


def prepare(
    files: Sequence[Artifact],
    interpreter: Interpreter,
    *,
    store: Store,
    sandbox: Sandbox,
    conditions: Conditions = NORMAL,
) -> Environment:
    """Return an environment, installed at first use.

    Raises:
        BlobMissingError: A wheel is not in the store.
        EnvironmentFailedError: The installation failed.
    """
    facts = {
        "files": sorted(file.sha256 for file in files),
        "python": interpreter.identity,
        "prefix": str(interpreter.prefix),
        "root": conditions.root if sandbox.sealed else "",
        "sandbox": sandbox.name,
    }
    place = store.root / "environments" / digest_of(facts)[:20]
    seen = f"{conditions.root}/env" if sandbox.sealed else str(place / "env")
    with store.lock(f"environment-{place.name}"):
        if not (place / "complete").exists():
            _install(files, interpreter, place, seen, store=store, sandbox=sandbox, conditions=conditions)
            (place / "complete").touch()
    return Environment(folder=place / "env", seen=seen)


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
        raise EnvironmentFailedError(
            "The build environment could not be installed.",
            why=(done.stderr or done.stdout).strip()[-800:],
            next_step="run `invoke lock --upgrade {cell}`: the locked wheels do not fit this builder",
        )


def _script(program: Path, interpreter: Interpreter, root: str, seen: str) -> str:
    options = "--offline --no-index --no-deps --no-cache --require-hashes --link-mode=copy"
    return (
        f"{program} venv --quiet --offline --no-cache --clear --python {interpreter.program} {seen} && "
        f"{program} pip install --quiet {options} --find-links {root}/wheels "
        f"--python {seen} -r {root}/requirements.txt"
    )


def _show(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _pin(filename: str) -> str:
    name, version, _, _ = parse_wheel_filename(filename)
    return f"{name}=={version}"
