"""Which versions belong together: the compatibility table as facts, and the rules that go beyond it.

The table is `recipes/compatibility.toml`, copied row by row from the sources that it names. torchvision follows torch
by rule: torch 2.N is torchvision 0.(N+15), patch for patch, with the exceptions that pytorch/vision's README lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

from packaging.version import Version
from pydantic import AfterValidator, Field, ValidationInfo

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.toml_fault import Fault, raise_for, shown
from ascend_wheelhouse.base.toml_file import FileModel, InvalidFilesError, Problem, read
from ascend_wheelhouse.cells.file_values import AscendRelease, Cann, CannLine, Commit, Once, VersionText

_VISION_OFFSET = 15
_VISION_EXCEPTIONS = {"2.0.1": "0.15.2", "2.1.1": "0.16.1", "2.1.2": "0.16.2"}


class _HasVersion(Protocol):
    version: str


_Row = TypeVar("_Row", bound=_HasVersion)


class UnknownCannError(UsageError):
    """No compatibility fact says which CANN belongs to a torch version, or nothing is known of the one asked for."""


def _of_its_release(torch: str, info: ValidationInfo) -> str:
    version = info.data.get("version")
    if version is not None and Version(version).base_version != torch:
        raise ValueError(f"is {shown(torch)}, must be that of the release: {Version(version).base_version}")
    return torch


def _each_once(rows: list[_Row]) -> list[_Row]:
    seen: set[str] = set()
    faults: list[Fault] = []
    for place, row in enumerate(rows):
        if row.version in seen:
            text = f"{shown(row.version)} has a row already, one is enough"
            faults.append(Fault((place, "version"), text, "twice"))
        seen.add(row.version)
    raise_for(faults)
    return rows


def _each_line_once(rows: list[TritonRow]) -> list[TritonRow]:
    seen: set[tuple[str, str]] = set()
    faults: list[Fault] = []
    for place, row in enumerate(rows):
        for line in row.cann:
            if (row.version, line) in seen:
                text = f"{shown(row.version)} has a row for CANN {line} already, one is enough"
                faults.append(Fault((place, "version"), text, "twice"))
            seen.add((row.version, line))
    raise_for(faults)
    return rows


def _of_a_row(backward: dict[str, list[str]], info: ValidationInfo) -> dict[str, list[str]]:
    if rows := info.data.get("torch_npu"):
        known = {row.ascend for row in rows}
        text = f"no row has this release, allowed are {', '.join(sorted(known))}"
        raise_for(Fault((release,), text, "reference") for release in backward if release not in known)
    return backward


class TorchNpuRow(FileModel):
    """One row of upstream's table: a torch_npu release, its torch, release line, CANN, and its commit where known."""

    version: VersionText
    torch: Annotated[VersionText, AfterValidator(_of_its_release)]
    ascend: AscendRelease
    cann: Cann
    commit: Commit = ""

    @property
    def branch(self) -> str:
        """Name of the source branch, such as `v2.8.0-7.3.0`; a patch (26.1.1) is made on the branch of its release.

        Source: Ascend/pytorch, patch notes of 26.1.1, where each package stands beside a branch v<torch>-26.1.0.
        """
        line, _, _patch = self.ascend.rpartition(".")
        return f"v{self.torch}-{line}.0"

    @property
    def release(self) -> str:
        """What its source is fetched by: the release's commit, or the branch where that is not known."""
        return self.commit or self.branch


class TritonRow(FileModel):
    """One row of triton-ascend's table.

    Args:
        version: The release.
        cann: CANN lines that it is stated for, such as `8.3`.
        torch: Releases of torch that it is stated with on them; any where none is named.
    """

    version: VersionText
    cann: Annotated[list[CannLine], Once, Field(min_length=1)]
    torch: Annotated[list[VersionText], Once] = Field(default_factory=list)

    def serves(self, cann: str, torch: str) -> bool:
        """Tell whether it is stated for a CANN version, with a torch where one is named."""
        return cann_line(cann) in self.cann and (not torch or not self.torch or torch in self.torch)


class _Table(FileModel):
    torch_npu: Annotated[list[TorchNpuRow], AfterValidator(_each_once)]
    backward: Annotated[dict[AscendRelease, list[CannLine]], AfterValidator(_of_a_row)]
    triton_ascend: Annotated[list[TritonRow], AfterValidator(_each_line_once)]


@dataclass(frozen=True, kw_only=True)
class Compatibility:
    """The table, with the questions that are asked of it."""

    torch_npu: tuple[TorchNpuRow, ...]
    backward: dict[str, list[str]]
    triton_ascend: tuple[TritonRow, ...]

    def row(self, torch_npu: str) -> TorchNpuRow | None:
        """Return the row of a torch_npu release, or None."""
        return next((row for row in self.torch_npu if row.version == torch_npu), None)

    def rows_for(self, torch: str, cann: str = "") -> list[TorchNpuRow]:
        """Return the rows of a torch version that fit a CANN (every one when none is named).

        Those made for that CANN come first, then those stated to run on it as well; newest first in either.
        """
        rows = [row for row in self.torch_npu if row.torch == torch and (not cann or self.fits(row, cann))]
        return sorted(rows, key=lambda row: bool(cann) and cann_line(row.cann) != cann_line(cann))

    def fits(self, row: TorchNpuRow, cann: str) -> bool:
        """Tell whether a torch_npu release is stated to run on a CANN version."""
        return cann_line(cann) in {cann_line(row.cann), *self.backward.get(row.ascend, [])}

    def doubt(self, torch_npu: str, cann: str) -> str:
        """Return what the table does not say of a torch_npu on a CANN version; empty where it says that it runs."""
        row = self.row(torch_npu)
        if row is None:
            return f"the compatibility table does not say which CANN torch_npu {torch_npu} belongs to"
        return (
            ""
            if self.fits(row, cann)
            else (f"torch_npu {torch_npu} is made for CANN {row.cann}, and not stated to run on CANN {cann}")
        )

    def triton_for(self, cann: str, torch: str = "") -> str | None:
        """Return the newest triton-ascend stated for a CANN version, with a torch where one is named, or None."""
        return next((row.version for row in self.triton_ascend if row.serves(cann, torch)), None)

    def triton_fits(self, version: str, cann: str, torch: str = "") -> bool | None:
        """Tell whether a triton-ascend release is stated for a CANN version.

        None when nothing is stated: there is no row of the release, or those of that CANN name other releases of torch.
        """
        rows = [row for row in self.triton_ascend if row.version == version]
        if any(row.serves(cann, torch) for row in rows):
            return True
        return False if rows and not any(row.serves(cann, "") for row in rows) else None

    @property
    def canns(self) -> list[str]:
        """Every CANN version that a row names, newest first."""
        return list(dict.fromkeys(row.cann for row in self.torch_npu))


def load_compatibility(folder: Path | Layered) -> Compatibility:
    """Return the table of a `recipes/` folder.

    Raises:
        InvalidFilesError: The file is wrong.
    """
    table, problems = scan_compatibility(folder)
    if table is None:
        raise InvalidFilesError(problems)
    return table


def scan_compatibility(folder: Path | Layered) -> tuple[Compatibility | None, list[Problem]]:
    """Return the table of a `recipes/` folder, or None and everything that is wrong with it."""
    place = Layered.of(folder).file("compatibility.toml")
    table, problems = read(place, _Table, label="recipes/compatibility.toml")
    if table is None:
        return None, problems
    rows, triton = tuple(table.torch_npu), tuple(table.triton_ascend)
    return Compatibility(torch_npu=rows, backward=table.backward, triton_ascend=triton), []


def cann_line(cann: str) -> str:
    """Return the release line of a CANN version: `8.3.RC2` is of the line `8.3`."""
    return ".".join(cann.split(".")[:2])


def require_comparable(cann: str) -> None:
    """Refuse a preview such as 8.3.RC2.alpha001 or 8.5.T1, which is no version of PEP 440: no range of a recipe has it.

    Raises:
        UnknownCannError: It is one.
    """
    try:
        Version(cann)
    except ValueError as error:
        candidate = re.match(r"\d+\.\d+\.RC\d+", cann)
        raise UnknownCannError(
            f"CANN {cann} is a preview that cannot be compared with the versions that recipes name.",
            why="Its packages are found by ranges of versions, and no range tells where such a preview belongs.",
            next_step=f"--cann {candidate[0] if candidate else f'{cann_line(cann)}.0'}, for example",
        ) from error


def line_steps(one: str, other: str) -> int:
    """Return how far the lines of two CANN versions are from each other; a major release counts as ten lines."""
    (major, minor), (its_major, its_minor) = (map(int, cann_line(cann).split(".")) for cann in (one, other))
    return abs((major - its_major) * 10 + minor - its_minor)


def torchvision_for(torch: str) -> str:
    """Return torchvision's version by rule; source: the table in pytorch/vision's README."""
    version = Version(torch)
    return _VISION_EXCEPTIONS.get(version.public, f"0.{version.minor + _VISION_OFFSET}.{version.micro}")
