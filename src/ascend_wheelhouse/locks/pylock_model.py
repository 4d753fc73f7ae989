"""What a `pylock.*.toml` of ours must hold: PEP 751, narrowed to one local wheel a package, size and sha256.

pydantic collects every problem of a file at once; packaging's own reader, which stops at the first, then has
the last word on the specification.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version
from pydantic import AfterValidator, Field

from ascend_wheelhouse.base import toml_text
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.toml_file import FileModel, Listed, Problem
from ascend_wheelhouse.base.toml_file import read as read_toml
from ascend_wheelhouse.node import documents

_PATH = r"^wheels/[A-Za-z0-9._+!-]+\.whl$"


class InvalidPylockError(UsageError):
    """A lock file is not one that this tool writes; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(map(str, self.problems)),
            why="It was edited by hand, or written by another tool or version.",
            next_step="restore the lock from git, or make it again: `invoke lock --upgrade {cell}`",
        )


def _normalised(name: str) -> str:
    if name != canonicalize_name(name):
        msg = f"{name!r} is not normalised, allowed is {canonicalize_name(name)!r}"
        raise ValueError(msg)
    return name


def _version(text: str) -> str:
    try:
        Version(text)
    except ValueError:
        msg = f"{text!r} is no version of PEP 440"
        raise ValueError(msg) from None
    return text


def _one(wheels: tuple[WheelModel, ...]) -> tuple[WheelModel, ...]:
    if len(wheels) != 1:
        msg = f"{len(wheels)} wheels, allowed is exactly one"
        raise ValueError(msg)
    return wheels


Name = Annotated[str, AfterValidator(_normalised)]


class HashesModel(FileModel):
    """`hashes`: sha256 and nothing weaker."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class WheelModel(FileModel):
    """One of `packages.wheels`."""

    path: str = Field(pattern=_PATH)
    size: int = Field(gt=0, le=1 << 40)
    hashes: HashesModel

    @property
    def filename(self) -> str:
        """The name of the file."""
        return self.path.removeprefix("wheels/")


class DependencyModel(FileModel):
    """One of `packages.dependencies`."""

    name: Name


class PackageModel(FileModel):
    """One of `packages`."""

    name: Name
    version: Annotated[str, AfterValidator(_version)]
    dependencies: Listed[DependencyModel] = ()
    wheels: Annotated[Listed[WheelModel], AfterValidator(_one)]
    tool: dict[str, dict[str, str]] = Field(default_factory=dict)


class PylockModel(FileModel):
    """The whole file."""

    lock_version: Literal["1.0"] = Field(alias="lock-version")
    created_by: str = Field(alias="created-by")
    requires_python: str = Field(alias="requires-python")
    environments: Listed[str] = Field(min_length=1)
    packages: Listed[PackageModel]
    tool: dict[str, dict[str, Any]] = Field(default_factory=dict)


def read(path: Path) -> PylockModel:
    """Return the checked content of a lock file.

    Raises:
        InvalidPylockError: It is no lock of ours; the text lists everything that is wrong with it.
    """
    label = f"{path.parent.name}/{path.name}"
    document, problems = read_toml(path, PylockModel, label=label)
    if document is not None:
        problems = [Problem(file=label, key=key, text=text) for key, text in _contradictions(document)]
        problems = problems or list(_refusals(path, label))
    if document is None or problems:
        raise InvalidPylockError(problems)
    return document


def _contradictions(document: PylockModel) -> Iterator[tuple[str, str]]:
    """Yield where two keys of the file do not go together."""
    times = Counter(package.name for package in document.packages)
    for at, package in enumerate(document.packages):
        key = f"packages[{at + 1}]"
        if times[package.name] > 1:
            yield f"{key}.name", f"{package.name!r} stands {times[package.name]} times, allowed is once"
        try:
            name, version, _build, _tags = parse_wheel_filename(package.wheels[0].filename)
        except ValueError as error:
            yield f"{key}.wheels[1].path", str(error)
            continue
        if (name, version) != (package.name, Version(package.version)):
            yield (
                f"{key}.wheels[1].path",
                f"is a wheel of {name} {version}, not {package.name} {package.version}",
            )
        for place, dependency in enumerate(package.dependencies):
            if dependency.name not in times:
                yield f"{key}.dependencies[{place + 1}].name", f"{dependency.name!r} is not in this lock"


def _refusals(path: Path, label: str) -> Iterator[Problem]:
    try:
        Pylock.from_dict(toml_text.parse(documents.bytes_of(path)))
    except PylockUnsupportedVersionError as error:
        yield Problem(file=label, key="lock-version", text=str(error))
    except PylockValidationError as error:
        yield Problem(file=label, key=error.context or "", text=str(error.message))
