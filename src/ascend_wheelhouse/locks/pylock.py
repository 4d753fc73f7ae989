"""The lock of wheels as installers read it: PEP 751 (`pylock.*.toml`) and pip-tools' hashed requirements.

Each name has one version and one file, found at `wheels/` beside the lock. What PEP 751 has no key for stands
in its `tool` tables: the caller's table for the lock, component and origin for each package. Writing is
deterministic: equal locks are equal texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from ascend_wheelhouse.base.artifact import Artifact, HasArtifact
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks import lock_version, pylock_model

CREATED_BY = "ascend-wheelhouse"
FOLDER = "wheels"


@dataclass(frozen=True, kw_only=True)
class LockedFile(HasArtifact):
    """One wheel of a lock.

    Args:
        name: The normalised name.
        version: Its version.
        artifact: The wheel itself.
        component: The recipe that owns the name, None for an ordinary dependency.
        origin: Where it came from, such as `index` or `sdist`.
        via: Normalised names that need it, sorted.
        note: What a person should know about this very file.
    """

    name: str
    version: str
    artifact: Artifact
    component: str | None = None
    origin: str = "index"
    via: tuple[str, ...] = field(default=())
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "via", tuple(self.via))

    @classmethod
    def of(
        cls, artifact: Artifact, *, component: str | None = None, origin: str = "index", note: str = ""
    ) -> LockedFile:
        """Return what the lock keeps of a file: a wheel's name and version are those of its file name.

        Args:
            artifact: The file; one that is no wheel has its component's name, and no version.
            component: The recipe that owns it.
            origin: Where it came from.
            note: What a person should know about it.
        """
        name, version = component or artifact.filename, ""
        if artifact.filename.endswith(".whl"):
            distribution, release, _, _ = parse_wheel_filename(artifact.filename)
            name, version = distribution, str(release)
        return cls(
            name=name, version=version, artifact=artifact, component=component, origin=origin, note=note
        )


@dataclass(frozen=True, kw_only=True)
class ParsedPylock:
    """What a lock file says: its wheels by name, and the `[tool.ascend-wheelhouse]` table."""

    files: tuple[LockedFile, ...]
    tool: Mapping[str, Any]


def dump_pylock(files: Iterable[LockedFile], target: Target, *, tool: Mapping[str, Any]) -> str:
    """Return the text of `pylock.<platform>.toml`.

    Args:
        files: The wheels, in any order.
        target: The machine that they are for.
        tool: The `[tool.ascend-wheelhouse]` table; None is not a TOML value.
    """
    ordered = sorted(files, key=lambda file: file.name)
    needs = _needs(ordered)
    major, minor = target.python
    document = Pylock(
        lock_version=Version("1.0"),
        environments=[environment(target)],
        requires_python=SpecifierSet(f"=={major}.{minor}.*"),
        created_by=CREATED_BY,
        packages=[_package(file, needs.get(file.name, ())) for file in ordered],
        tool={CREATED_BY: dict(tool)},
    )
    document.validate()
    return tomli_w.dumps(document.to_dict(), multiline_strings=False)


def environment(target: Target) -> Marker:
    """Return the marker that holds on the target's nodes and nowhere else."""
    markers = target.markers
    names = ("implementation_name", "platform_machine", "sys_platform")
    return Marker(" and ".join(f'{name} == "{markers[name]}"' for name in names))


def dump_requirements(files: Iterable[LockedFile]) -> str:
    """Return the text of `requirements.<platform>.txt`, in the form of pip-compile's `--generate-hashes`."""
    lines = [
        "#",
        f"# This file was made by {CREATED_BY}, beside the pylock of the same platform.",
        "# Install with: pip install --no-deps --no-index --find-links wheels --require-hashes -r this-file",
        "#",
    ]
    for file in sorted(files, key=lambda file: file.name):
        lines += [f"{file.name}=={file.version} \\", f"    --hash=sha256:{file.sha256}", *_via(file.via)]
    return "\n".join(lines) + "\n"


def load_pylock(path: Path) -> ParsedPylock:
    """Read a lock that `dump_pylock` wrote.

    Raises:
        InvalidPylockError: The file is no such lock; the text lists everything that is wrong with it.
        NewerLockError: A newer version of this tool wrote it.
    """
    try:
        document = pylock_model.read(path)
    except pylock_model.InvalidPylockError:
        lock_version.require_of_pylock(path, CREATED_BY)
        raise
    lock_version.require(document.tool.get(CREATED_BY, {}), path)
    via: dict[str, list[str]] = {}
    for package in document.packages:
        for dependency in package.dependencies:
            via.setdefault(dependency.name, []).append(package.name)
    files = tuple(_locked(package, via.get(package.name, ())) for package in document.packages)
    return ParsedPylock(files=files, tool=document.tool.get(CREATED_BY, {}))


def _needs(files: Iterable[LockedFile]) -> dict[str, list[str]]:
    needs: dict[str, list[str]] = {}
    for file in files:
        for requirer in file.via:
            needs.setdefault(requirer, []).append(file.name)
    return needs


def _package(file: LockedFile, needs: Iterable[str]) -> Package:
    told = {"origin": file.origin} | ({"component": file.component} if file.component else {})
    told |= {"note": file.note} if file.note else {}
    wheel = PackageWheel(path=f"{FOLDER}/{file.filename}", size=file.size, hashes={"sha256": file.sha256})
    return Package(
        name=canonicalize_name(file.name),
        version=Version(file.version),
        dependencies=[{"name": name} for name in sorted(needs)] or None,
        wheels=[wheel],
        tool={CREATED_BY: told},
    )


def _via(names: tuple[str, ...]) -> Iterator[str]:
    if len(names) == 1:
        yield f"    # via {names[0]}"
    elif names:
        yield "    # via"
        yield from (f"    #   {name}" for name in names)


def _locked(package: pylock_model.PackageModel, via: Iterable[str]) -> LockedFile:
    wheel = package.wheels[0]
    told = package.tool.get(CREATED_BY, {})
    return LockedFile(
        name=package.name,
        version=package.version,
        artifact=Artifact(filename=wheel.filename, size=wheel.size, sha256=wheel.hashes.sha256),
        component=told.get("component"),
        origin=told.get("origin", "index"),
        via=tuple(sorted(via)),
        note=told.get("note", ""),
    )
