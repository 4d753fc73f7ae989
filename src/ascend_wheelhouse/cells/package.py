"""Names of `.run` packages as their publishers spell them, and how each kind is installed.

One table serves everybody: a recipe holds it, origins fill their URLs from it, `invoke vendor` recognises files by it,
and a wheelhouse's manifest carries it as data, so that the installer on a node knows the same names and no others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Annotated, Any

from pydantic import AfterValidator

from ascend_wheelhouse.base.toml_fault import shown
from ascend_wheelhouse.base.toml_file import FileModel
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.condition import When
from ascend_wheelhouse.cells.file_values import Chip, Text, check_inside, fields_of_a_name
from ascend_wheelhouse.cells.target import MACHINES

_FIELDS = {"version": r"[^_]+?", "machine": "|".join(MACHINES)}


def _is_a_name(text: str) -> str:
    """Hold a template to the name of one package, of which the version or the machine can be read back."""
    names = fields_of_a_name(text, _FIELDS)
    if not text.endswith(".run") or not names:
        raise ValueError(
            f"is {shown(text)}, must be a name with {{version}} or {{machine}} that ends in .run"
        )
    return text


def _below_cann(folder: str) -> str:
    return check_inside(folder) if folder else folder


class PackageName(FileModel):
    """One spelling of a package's file name.

    Args:
        template: The name, with `{version}` and `{machine}`; a release archive may tell the version in its place.
        npu: The chip that files of this name are for; empty for all chips.
        when: Cells whose package has this name; it is recognised for all the same.
        source: The public file that shows the name, as `owner/repo:path@commit7`.
    """

    template: Annotated[str, AfterValidator(_is_a_name)]
    npu: Chip = ""
    when: When = {}
    source: Text

    @property
    def glob(self) -> str:
        """The name as a file name pattern (fnmatch), for messages and for telling files apart."""
        return self.template.format(version="*", machine="*")

    @property
    def pattern(self) -> str:
        """The name as a regular expression with the groups `version` and `machine`, as far as it has them."""
        parts = []
        for literal, name, _, _ in Formatter().parse(self.template):
            parts.append(re.escape(literal))
            if name:
                parts.append(f"(?P<{name}>{_FIELDS[name]})")
        return "".join(parts)


class HostInstall(FileModel):
    """How a package is put onto a host.

    Args:
        order: Packages with a lower number come first.
        flags: What installs it without questions.
        for_all: It knows `--install-for-all`, which root wants.
        of_cann: Its version is CANN's, so it must be the cell's.
        into: Folder below CANN's own that it is installed into; empty for the Ascend folder.
    """

    order: int
    flags: list[Text]
    for_all: bool = True
    of_cann: bool = True
    into: Annotated[str, AfterValidator(_below_cann)] = ""


def file_name(names: Sequence[PackageName], cell: Cell, version: str) -> str | None:
    """Return what upstream calls the package of a release for a cell, or None where no name is known."""
    for name in names:
        if name.npu in {"", cell.target.npu} and cell.holds(name.when):
            return name.template.format(version=version, machine=cell.target.machine)
    return None


def as_manifest(component: str, names: Sequence[PackageName], install: HostInstall) -> dict[str, Any]:
    """Return one kind of package as a manifest's `packages` carries it."""
    spellings: list[Mapping[str, str]] = [{"pattern": name.pattern, "npu": name.npu} for name in names]
    return {"component": component, "names": spellings, **install.model_dump()}
