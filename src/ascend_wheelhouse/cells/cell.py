"""A compatibility cell: one combination of SGLang, torch, torch_npu, CANN, NPU chip, machine and Python.

A cell is a plain value. It comes from a stack file (`stack.py`) or from stated rules (`derive.py`, then
`derived` is true) and travels unchanged through plan, lock, manifest and receipt, where the node compares
itself with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ascend_wheelhouse.base.cell_words import APPLICATION, own_words
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.target import Target, dotted


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One checked combination.

    Args:
        stack: Name of the stack file, or of the rule that derived the cell.
        target: The node's machine, chip, glibc floor and Python.
        cann: CANN's version as upstream spells it, such as `8.3.RC2`.
        components: Version of each component, by recipe name.
        constraints: Requirements that bound the resolver beyond the components, PEP 508.
        exclude_newer: RFC 3339 time after which uploads are not considered, or empty.
        serving: Server flags and environment per topology, for manifest and probes.
        derived: True when no stack file lists this cell.
        notes: What a person should know about it, one sentence each.
        application: The component that the cell is made for.
        extras: What was asked for beyond the stack: optional components of it, and extras of the application.
        optional: Versions of the components that the stack has on request.
        doubts: Those of the notes that a person is told although a stack lists the cell.
    """

    stack: str
    target: Target
    cann: str
    components: Mapping[str, str]
    constraints: tuple[str, ...] = ()
    exclude_newer: str = ""
    serving: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    derived: bool = False
    notes: tuple[str, ...] = ()
    application: str = APPLICATION
    extras: tuple[str, ...] = ()
    optional: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    doubts: tuple[str, ...] = ()

    @property
    def project_extras(self) -> tuple[str, ...]:
        """The extras that the application's own project file has."""
        return tuple(name for name in self.extras if name not in self.components)

    @property
    def torch(self) -> str:
        """The torch version without a local part."""
        return self.components["torch"].partition("+")[0]

    @property
    def words(self) -> str:
        """The options that name the cell on the command line."""
        sglang = self.components[APPLICATION] if self.application == APPLICATION else ""
        asked = {"app": self.application, "extra": ",".join(self.extras)}
        return own_words(
            {"torch": self.torch, **self.target.words, "cann": self.cann, "sglang": sglang, **asked}
        )

    @property
    def stack_id(self) -> str:
        """The folder name of the cell: `sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-a3`.

        Extras, a glibc above the floor and a Python that is not the default stand behind it.
        """
        words = (
            f"{self.application}{self.components[self.application]}",
            f"torch{self.torch}",
            f"cann{self.cann.lower()}",
            self.target.npu,
            *self.extras,
            *self.target.beside_default,
        )
        return "-".join(words)

    @property
    def name(self) -> str:
        """The wheelhouse's folder name: stack id and machine."""
        return f"{self.stack_id}-{self.target.machine}"

    @property
    def told(self) -> tuple[str, ...]:
        """What a person is told of it, one sentence each; its doubts alone where a stack lists it."""
        first, *others = self.notes or ("no stack lists it",)
        return (f"{self.name} is derived: {first}", *others) if self.derived else self.doubts

    @property
    def fields(self) -> dict[str, str]:
        """What a URL template or a build step may name, such as `{torch}` or `{machine}`."""
        components = {name.replace("-", "_"): version for name, version in self.components.items()}
        return components | {
            "torch": self.torch,
            "cann": self.cann,
            "cann_lower": self.cann.lower(),
            "npu": self.target.npu,
            "machine": self.target.machine,
            "python": dotted(self.target.python),
            "python_tag": f"cp{self.target.python[0]}{self.target.python[1]}",
            "py": f"{self.target.python[0]}{self.target.python[1]}",
            "glibc": dotted(self.target.glibc),
        }

    def as_manifest(self) -> dict[str, str]:
        """Return the cell as `manifest.json` carries it, component names with underscores."""
        stated = {"app": self.application, "extra": ",".join(self.extras)}
        told = {key: value for key, value in stated.items() if value not in {"", APPLICATION}}
        spelt_otherwise = {"cann_lower", "python_tag", "py"}
        return told | {key: value for key, value in self.fields.items() if key not in spelt_otherwise}

    def holds(self, when: Mapping[str, str]) -> bool:
        """Tell whether a recipe's condition holds here.

        Args:
            when: Field name to a version specifier (`<2.13`) or to words separated by `|`.
        """
        return all(matches(self.fields.get(name.replace("-", "_"), ""), want) for name, want in when.items())


def matches(value: str, want: str) -> bool:
    """Tell whether a value is within a version range, or is one of the words that stand separated by `|`."""
    if want[:1] not in "<>=!~":
        return value in want.split("|")
    try:
        return bool(value) and SpecifierSet(want, prereleases=True).contains(Version(value))
    except ValueError:
        return False


class UnknownComponentError(UsageError):
    """The cell has no such component."""


def require_components(cell: Cell, names: Iterable[str]) -> None:
    """Raise where a name is no component of a cell.

    Raises:
        UnknownComponentError: It is none; the text lists those that are.
    """
    if unknown := sorted(set(names) - cell.components.keys()):
        raise UnknownComponentError(
            f"{', '.join(map(repr, unknown))} is no component of {cell.name}.",
            why="It is misspelt, or another stack has it.",
            next_step=f"one of: {', '.join(sorted(cell.components))}",
        )
