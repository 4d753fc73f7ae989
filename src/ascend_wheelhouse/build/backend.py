"""A project's own build backend (PEP 517), asked in the sandbox.

`build` (pypa) is the frontend: it reads `build-system`, and speaks to the backend through a folder that the sandbox
shows. The build environment is locked and complete, so its own way of making one is not used; what a backend wants
beyond it is asked of it only where it fails, since that costs setuptools as long as a quarter of a build.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from build import BuildBackendException, BuildException, ProjectBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from ascend_wheelhouse.base import pyproject
from ascend_wheelhouse.base.errors import BuildError, WheelhouseError
from ascend_wheelhouse.build import shims
from ascend_wheelhouse.build.inside import inside
from ascend_wheelhouse.build.job import BuildJob
from ascend_wheelhouse.build.sandbox import Cage, Mount

_SETUPTOOLS = "setuptools.build_meta"
_UNUSABLE = (
    BuildException,
    BuildBackendException,
    ValueError,  # a backend-path that leads out of the source
)

Run = Callable[[Cage, Sequence[str]], None]
"""Runs a command in a cage, and raises where it fails."""


class BackendUnusableError(BuildError):
    """What a project names as its build backend cannot be imported, or builds no wheels."""


class EnvironmentIncompleteError(BuildError):
    """The project wants something at build time that the locked build environment does not hold."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """The backend of one build.

    Args:
        job: The build.
        folder: The project's folder on the host.
        work: The build's own folder on the host, which the project's folder is in.
        root: Where the backend sees that.
        where: What the backend may see, started in the project's folder.
        environment: Where the sandbox shows the build environment.
        run: How a command is run there.
    """

    job: BuildJob
    folder: Path
    work: Path
    root: str
    where: Cage
    environment: str
    run: Run

    def build_wheel(self, out: Path) -> None:
        """Have the wheel built into a folder below `work`.

        Raises:
            EnvironmentIncompleteError: The project wants more than its build environment holds.
            BackendUnusableError: Its backend is not one.
            BuildError, HostUnfitError: The backend failed, as `run` tells it.
            BadProjectFileError: The project file is none.
            LinkOutError: It put a link out of its folder where a file of ours belongs.
        """
        settings = _unpacked_soon(self.folder)
        try:
            with warnings.catch_warnings(action="ignore"):  # the backend's, which its caller is to hand on
                builder = ProjectBuilder(self.folder, f"{self.environment}/bin/python", self._asked)
                if self.job.spec.own_requirements:
                    self._refuse_missing(builder.build_system_requires)
                self._have_built(builder, out, settings)
        except _UNUSABLE as error:
            if isinstance(cause := getattr(error, "exception", None), (WheelhouseError, OSError)):
                raise cause from None  # what `_asked` raised
            raise BackendUnusableError(
                f"The build backend of {self.job.component} cannot be used: {str(error).rstrip('.')}.",
                why="Its build environment lacks it, or `build-system` in the project file is wrong.",
                next_step=f"compare it with `requirements` in recipes/{self.job.component}.toml",
            ) from error

    def _have_built(self, builder: ProjectBuilder, out: Path, settings: Mapping[str, str]) -> None:
        try:
            builder.build("wheel", out, settings)
        except BuildBackendException as error:
            if isinstance(error.exception, BuildError):
                wanted: Iterable[str] = ()
                with suppress(*_UNUSABLE):
                    wanted = builder.get_requires_for_build("wheel", settings)
                self._refuse_missing(wanted)
            raise

    def _asked(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        """Run the hooks' own script in the sandbox, the folder of its request and answer in sight."""
        del cwd
        python, script, hook, exchange = cmd
        # what it was asked before can have put links anywhere in its folder
        shutil.copyfile(script, inside(self.work, Path(shims.FOLDER, Path(script).name)))
        request = Path(exchange, "input.json")
        request.write_text(self._as_seen(request.read_text(encoding="utf-8")), encoding="utf-8")
        seen = f"{self.root}/{Path(exchange).name}"
        environ = {name: self._as_seen(value) for name, value in (extra_environ or {}).items()}
        cage = replace(
            self.where,
            mounts=(*self.where.mounts, Mount(source=Path(exchange), target=seen, writable=True)),
            env={**self.where.env, **environ},
        )
        self.run(cage, [python, f"{self.root}/{shims.FOLDER}/{Path(script).name}", hook, seen])

    def _as_seen(self, text: str) -> str:
        """Return JSON or a plain word with the folders of the host named as the sandbox shows them."""
        return text.replace(json.dumps(str(self.work))[1:-1], self.root).replace(str(self.work), self.root)

    def _refuse_missing(self, wanted: Iterable[str]) -> None:
        files = self.job.sources.environment
        held = {
            name: version for name, version, _, _ in (parse_wheel_filename(one.filename) for one in files)
        }
        if missing := sorted(_unmet(wanted, held, self.job.python)):
            listed = ", ".join(f"{name} {version}" for name, version in sorted(held.items()))
            raise EnvironmentIncompleteError(
                f"{self.job.component} wants {', '.join(missing)} to build.",
                why=f"The locked build environment holds {listed or 'nothing'}.",
                next_step=f"add it to `requirements` in the [build] table of recipes/{self.job.component}.toml, "
                "and run `invoke lock --upgrade {cell}`",
            )


def _unpacked_soon(folder: Path) -> dict[str, str]:
    """Return what spares setuptools the compression of a wheel that is written anew in its normal form."""
    path = folder / "pyproject.toml"
    table = pyproject.parse(path.read_bytes(), "the source") if path.is_file() else {}
    backend = table.get("build-system", {}).get("build-backend", _SETUPTOOLS)
    return {"--build-option": "--compression=stored"} if backend.startswith(_SETUPTOOLS) else {}


def _unmet(wanted: Iterable[str], held: Mapping[Any, Any], python: str) -> Iterator[str]:
    markers = {"python_version": python, "python_full_version": f"{python}.0"}
    for text in wanted:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate(markers):
            continue
        version = held.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            yield text
