"""Which versions belong together: the compatibility table as facts, and the rules that go beyond it.

The table is `recipes/compatibility.toml`, copied row by row from the sources that it names. torchvision follows torch
by rule: torch 2.N is torchvision 0.(N+15), patch for patch, with the exceptions that pytorch/vision's README lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.toml_file import FileModel, InvalidFilesError, read

_VISION_OFFSET = 15
_CANN = re.compile(r"[5-9]\.\d+(\.\d+|\.RC\d+|\.T\d+)(\.alpha\d+|\.beta\d+)?", re.IGNORECASE)
_VISION_EXCEPTIONS = {"2.0.1": "0.15.2", "2.1.1": "0.16.1", "2.1.2": "0.16.2"}


class UnknownCannError(UsageError):
    """No compatibility fact says which CANN belongs to a torch version, or nothing is known of the one asked for."""


class TorchNpuRow(FileModel):
    """One row of upstream's table: a torch_npu release, its torch, release line and CANN."""

    version: str
    torch: str
    ascend: str
    cann: str

    @property
    def branch(self) -> str:
        """Name of the source branch, such as `v2.8.0-7.3.0`."""
        return f"v{self.torch}-{self.ascend}"


class TritonRow(FileModel):
    """One row of triton-ascend's table; `cann` holds CANN lines such as `8.3`."""

    version: str
    cann: list[str]


class _Table(FileModel):
    torch_npu: list[TorchNpuRow]
    backward: dict[str, list[str]]
    triton_ascend: list[TritonRow]


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
        """Return the rows of a torch version that fit a CANN (every one when none is named), newest first."""
        return [row for row in self.torch_npu if row.torch == torch and (not cann or self.fits(row, cann))]

    def fits(self, row: TorchNpuRow, cann: str) -> bool:
        """Tell whether a torch_npu release is stated to run on a CANN version."""
        return cann_line(cann) in {cann_line(row.cann), *self.backward.get(row.ascend, [])}

    def triton_for(self, cann: str) -> str | None:
        """Return the newest triton-ascend stated for a CANN version, or None."""
        return next((row.version for row in self.triton_ascend if cann_line(cann) in row.cann), None)

    def triton_fits(self, version: str, cann: str) -> bool | None:
        """Tell whether a triton-ascend release is stated for a CANN version; None when nothing is stated of it."""
        row = next((row for row in self.triton_ascend if row.version == version), None)
        return None if row is None else cann_line(cann) in row.cann

    @property
    def canns(self) -> list[str]:
        """Every CANN version that a row names, newest first."""
        return list(dict.fromkeys(row.cann for row in self.torch_npu))


def load_compatibility(folder: Path) -> Compatibility:
    """Return the table of a `recipes/` folder.

    Raises:
        InvalidFilesError: The file is wrong.
    """
    table, problems = read(folder / "compatibility.toml", _Table, label="recipes/compatibility.toml")
    if table is None:
        raise InvalidFilesError(problems)
    return Compatibility(
        torch_npu=tuple(table.torch_npu), backward=table.backward, triton_ascend=tuple(table.triton_ascend)
    )


def check_cann(cann: str) -> str:
    """Return a CANN version, such as `8.3.RC2` or `8.5.0`.

    Raises:
        ValueError: It is none.
    """
    if not _CANN.fullmatch(cann):
        raise ValueError(f"{cann!r} is not a CANN version")
    return cann


def cann_line(cann: str) -> str:
    """Return the release line of a CANN version: `8.3.RC2` is of the line `8.3`."""
    return ".".join(cann.split(".")[:2])


def torchvision_for(torch: str) -> str:
    """Return torchvision's version by rule; source: the table in pytorch/vision's README."""
    version = Version(torch)
    return _VISION_EXCEPTIONS.get(version.public, f"0.{version.minor + _VISION_OFFSET}.{version.micro}")
