"""A project's own build backend, run in an environment that holds the given wheels and nothing else.

The environment is made from files alone: no index is asked, and nothing that the project wants at build time
is brought in behind the caller's back. The backend sees a fixed set of variables and a fixed umask; what the
user has set for himself does not reach it. `build` (pypa) speaks to the backend.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import build
import uv
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from ascend_wheelhouse import project_file
from ascend_wheelhouse.errors import BuildError
from ascend_wheelhouse.process import CommandFailedError, run
from ascend_wheelhouse.scratch import scratch
from ascend_wheelhouse.target import Target

_UNDER_UMASK = ("/bin/sh", "-c", 'umask 022 && exec "$@"', "sh")
FIXED = {
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONWARNINGS": "ignore",
    "PIP_NO_INDEX": "1",
    "UV_OFFLINE": "1",
}
"""What every backend sees; the caller's variables come on top."""


class BackendFailedError(BuildError):
    """The build backend of a project ended with an error."""


class EnvironmentIncompleteError(BuildError):
    """The project wants something at build time that the locked build environment does not hold."""


class EnvironmentNotInstallableError(BuildError):
    """The wheels of a build environment could not be installed."""


def build_wheel(
    source_dir: Path, *, requirements: Sequence[Path], out: Path, env: Mapping[str, str], python: Path
) -> Path:
    """Build the wheel of a project and return its path in `out`, not always compressed.

    What a backend wants beyond `build-system.requires` is asked of it only where it fails: it costs setuptools
    as long as a quarter of the build, and the environment is locked.

    Args:
        source_dir: The folder with `pyproject.toml`.
        requirements: Wheel files of the build environment, complete with their own needs.
        out: An existing folder.
        env: Variables for the backend, on top of `FIXED`, such as `SOURCE_DATE_EPOCH`.
        python: The interpreter that the environment is made from.

    Raises:
        EnvironmentNotInstallableError: The wheels cannot be installed.
        EnvironmentIncompleteError: The project wants more than they are.
        BackendFailedError: The backend failed; the text ends with its last lines.
    """
    with scratch() as room:
        isolated = _environment(room, requirements, python)
        runner = _Runner(env={**isolated.variables, **FIXED, **env})
        try:
            builder = build.ProjectBuilder(source_dir, str(isolated.python), runner=runner)
            _refuse_missing(source_dir, builder.build_system_requires, requirements)
            return Path(builder.build("wheel", out, _unpacked_soon(source_dir)))
        except (build.BuildException, build.BuildBackendException, CommandFailedError) as error:
            with suppress(build.BuildException, build.BuildBackendException, CommandFailedError):
                _refuse_missing(source_dir, builder.get_requires_for_build("wheel"), requirements)
            raise BackendFailedError(
                f"The build backend of {source_dir.name} failed.",
                why=_last_words(error),
                next_step="correct the recipe's project table, or its build requirements",
            ) from error


def _unpacked_soon(source_dir: Path) -> dict[str, str]:
    """Return what spares setuptools the compression of a wheel that is written anew in its normal form."""
    path = source_dir / "pyproject.toml"
    table = project_file.parse(path.read_bytes(), source_dir.name) if path.is_file() else {}
    backend = table.get("build-system", {}).get("build-backend", "setuptools.build_meta")
    return {"--build-option": "--compression=stored"} if backend == "setuptools.build_meta" else {}


@dataclass(frozen=True, kw_only=True)
class _Isolated:
    """An environment of its own: its interpreter, and what makes programs find it."""

    python: Path
    variables: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Runner:
    """How `build` starts the backend: through the one door, with these variables and no others."""

    env: Mapping[str, str]

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        run([*_UNDER_UMASK, *cmd], cwd=Path(cwd) if cwd else None, env={**self.env, **(extra_environ or {})})


def _environment(room: Path, requirements: Sequence[Path], python: Path) -> _Isolated:
    place = room / "env"
    home = room / "home"
    home.mkdir()
    quiet = ("--quiet", "--offline", "--no-cache", "--no-config")
    install = ("--no-index", "--no-deps", "--link-mode", "copy", "--python", place / "bin" / "python")
    variables = {"PATH": f"{place}/bin:{os.defpath}", "HOME": str(home), "TMPDIR": str(room)}
    try:
        run([uv.find_uv_bin(), "venv", *quiet, "--python", python, place], env={**variables, **FIXED})
        if requirements:
            run(
                [uv.find_uv_bin(), "pip", "install", *quiet, *install, *requirements],
                env={**variables, **FIXED},
            )
    except CommandFailedError as error:
        raise EnvironmentNotInstallableError(
            "The build environment could not be installed.",
            why=error.tail(),
            next_step="run `invoke lock --upgrade`: the locked wheels do not fit this interpreter",
        ) from error
    return _Isolated(python=place / "bin" / "python", variables=variables)


def _refuse_missing(source_dir: Path, wanted: set[str], wheels: Sequence[Path]) -> None:
    parsed = (parse_wheel_filename(wheel.name) for wheel in wheels)
    held = {str(name): version for name, version, _build, _tags in parsed}
    missing = sorted(_unmet(wanted, held))
    if missing:
        raise EnvironmentIncompleteError(
            f"{source_dir.name} wants {', '.join(missing)} to build.",
            why=f"The locked build environment holds {', '.join(f'{n} {v}' for n, v in held.items()) or 'nothing'}.",
            next_step="add it to the recipe's build requirements and run `invoke lock --upgrade`",
        )


def _unmet(wanted: set[str], held: Mapping[str, Version]) -> Iterator[str]:
    markers = Target(machine="x86_64").markers
    for text in wanted:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate(markers):
            continue
        version = held.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            yield text


def _last_words(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, CommandFailedError):
            return cause.tail()
        cause = getattr(cause, "exception", None) or cause.__cause__
    return str(error)
