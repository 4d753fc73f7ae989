"""What is wrong with a matrix: every fault once, where it stands, in one report."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.toml_fault import Rule, rendered
from ascend_wheelhouse.base.toml_lines import Path, lines_of


class MatrixFault(NamedTuple):
    """One thing wrong: the key path in the file, what is wrong, the rule; the line where the path does not say it."""

    path: Path
    text: str
    rule: Rule = "value"
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a matrix was read from.

    Args:
        name: The file as the user named it; empty for options of the command line.
        text: What stands in it.
    """

    name: str = ""
    text: str = field(default="", repr=False)

    @property
    def told(self) -> str:
        """What a report calls it."""
        return self.name or "the options"


@dataclass(frozen=True, kw_only=True)
class MatrixProblem:
    """One thing wrong in a matrix, as it is reported.

    Args:
        file: The file; empty for options of the command line.
        line: Its line there, counted from 1; None where there is none.
        key: The key path as TOML writes it, or the option.
        rule: The kind of rule that is broken, stable across releases.
        text: What is wrong and what is allowed.
    """

    file: str
    line: int | None
    key: str
    rule: Rule
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.text) if part)


class InvalidMatrixError(UsageError):
    """A matrix is wrong; `problems` holds everything, in the order of the lines."""

    def __init__(self, source: Source, problems: Iterable[MatrixProblem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        count = len(self.problems)
        listing = "\n".join(map(str, self.problems))
        words = f"--file {shlex.quote(source.name)} --dry-run" if source.name else "--dry-run"
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in {source.told}:\n{listing}",
            why="Nothing was started: a matrix is checked as a whole first.",
            next_step=f"correct these (docs/matrix.md explains each key), then: invoke matrix {words}",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the error with its problems as objects."""
        return super().as_dict() | {"problems": [asdict(one) for one in self.problems]}


def raise_for(faults: Iterable[MatrixFault], source: Source, data: Mapping[str, Any]) -> None:
    """Raise when there is any fault.

    Args:
        faults: What was found.
        source: Where the matrix was read from.
        data: What was read.

    Raises:
        InvalidMatrixError: With all of them.
    """
    found = list(faults)
    if not found:
        return
    lines = lines_of(source.text) if source.name else {}
    problems = [_problem(one, source, lines, data) for one in found]
    raise InvalidMatrixError(source, sorted(problems, key=lambda one: one.line or 0))


def _problem(
    fault: MatrixFault, source: Source, lines: Mapping[Path, int], data: Mapping[str, Any]
) -> MatrixProblem:
    key = rendered(fault.path, data) if source.name else "".join(f"--{one}" for one in fault.path[1:2])
    line = fault.line or _line(fault.path, lines)
    return MatrixProblem(file=source.name, line=line, key=key, rule=fault.rule, text=fault.text)


def _line(path: Path, lines: Mapping[Path, int]) -> int | None:
    """Return the line of a key path, or of what is next above it."""
    for length in range(len(path), 0, -1):
        if (line := lines.get(path[:length])) is not None:
            return line
    return None
