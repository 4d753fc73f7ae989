"""Names of release archives as their publisher spells them: which cells one is for, and what its name leaves open.

A recipe lists the namings of the archives that it and others are in. They are read both ways: an origin fills its URL
with the one that holds for a cell (`{archive}`), and `invoke vendor` reads release, torch, Python, CANN, chip and
machine off a file by any of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, field_validator

from ascend_wheelhouse.base.toml_fault import shown
from ascend_wheelhouse.base.toml_file import FileModel
from ascend_wheelhouse.cells.cell import Cell, matches
from ascend_wheelhouse.cells.file_values import Text, check_range, check_version, fields_of_a_name
from ascend_wheelhouse.cells.target import MACHINES, NPUS

_PATTERNS = {
    "version": r"[0-9][0-9A-Za-z.]*",
    "torch": r"\d+(?:\.\d+)+",
    "py": r"\d{3}",
    "cann_lower": r"\d[\w.]*",
    "npu": "|".join(NPUS),
    "machine": "|".join(MACHINES),
}
_ENDS = (".zip", ".tar.gz")
_OF_A_RANGE = tuple("<>=!~")
_LEFT_OPEN = frozenset({"torch", "py", "machine"})


def _range_or_words(text: str) -> str:
    """Hold the releases of a naming to a range, or to words that a release can be: one with a space is none."""
    if text.startswith(_OF_A_RANGE):
        return check_range(text)
    for word in text.split("|") if text else ():
        check_version(word)
    return text


def _is_a_name(text: str) -> str:
    """Hold a template to the name of one archive, off which each field can be read back."""
    names = fields_of_a_name(text, _PATTERNS)
    if not text.endswith(_ENDS) or "version" not in names:
        raise ValueError(
            f"is {shown(text)}, must be a name with {{version}} that ends in {' or '.join(_ENDS)}"
        )
    return text


class ArchiveName(FileModel):
    """One naming of a release's archives.

    Args:
        template: The name, with `{version}`, the release's tag, and fields of the cell.
        tags: Releases whose archives have this name, as a version range or as words separated by `|`; it is
            recognised for all the same.
        holds: What the name leaves open and upstream's own workflow states: `torch`, `py` (such as `311`), `machine`.
        source: The public file that shows the name, as `owner/repo:path@commit7`.
    """

    template: Annotated[str, AfterValidator(_is_a_name)]
    tags: Annotated[str, AfterValidator(_range_or_words)] = ""
    holds: dict[str, Text] = {}
    source: Text

    @field_validator("holds")
    @classmethod
    def _are_facts(cls, facts: dict[str, str]) -> dict[str, str]:
        for name, value in facts.items():
            if name not in _LEFT_OPEN or not re.fullmatch(_PATTERNS[name], value):
                allowed = ", ".join(sorted(_LEFT_OPEN))
                raise ValueError(f"{name} = {value!r} is no fact of an archive, allowed are {allowed}")
        return facts

    def is_for(self, cell: Cell, version: str) -> bool:
        """Tell whether the archive of a release has this name and is for a cell, as far as the naming says."""
        of_release = not self.tags or matches(version, self.tags)
        return of_release and all(cell.fields[name] == value for name, value in self.holds.items())

    def told(self, filename: str) -> dict[str, str]:
        """Return what a file's name says by this naming, and what is known beside it; nothing where it is another."""
        found = re.fullmatch(self._pattern, filename, re.IGNORECASE)
        return {**self.holds, **found.groupdict()} if found else {}

    @property
    def _pattern(self) -> str:
        parts = []
        for literal, name, _, _ in Formatter().parse(self.template):
            parts.append(re.escape(literal))
            if name:
                parts.append(f"(?P<{name}>{_PATTERNS[name]})")
        return "".join(parts)


def archive_name(names: Sequence[ArchiveName], cell: Cell, version: str) -> str | None:
    """Return what upstream calls the archive of a release for a cell, or None where no naming holds."""
    found = next((name for name in names if name.is_for(cell, version)), None)
    fields: Mapping[str, str] = cell.fields | {"version": version}
    return found.template.format_map(fields) if found else None
