"""Reading a TOML file into a checked model, with all problems of all files in one report.

Each problem is `file: key path: what is wrong, what is allowed`. Values have the types that the file writes: `"yes"`
is no boolean and `"3"` no number. pydantic stays behind this edge: callers get frozen models or one
`InvalidFilesError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Strict, ValidationError

from ascend_wheelhouse.base import toml_text
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.toml_fault import Rule, faults_of, shown
from ascend_wheelhouse.node import documents

_Model = TypeVar("_Model", bound=BaseModel)
_Item = TypeVar("_Item")
# TOML has lists only; what a list holds is as strict as everything else.
Listed = Annotated[tuple[_Item, ...], Strict(strict=False)]


class FileModel(BaseModel):
    """Base of every model read from a file: frozen, unknown keys refused, no type taken for another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, kw_only=True)
class Known:
    """The names that files may refer to; those of unreadable files too, so that one fault is told once.

    Args:
        components: Names of recipes.
        serving: Names of serving files.
    """

    components: frozenset[str] = frozenset()
    serving: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong in one file.

    Args:
        file: The file, relative to the project where possible.
        key: Path of the key at fault as TOML writes it, or empty for the file as a whole.
        rule: The kind of rule that is broken, stable across releases.
        text: What is wrong and what is allowed.
    """

    file: str
    key: str
    text: str
    rule: Rule = "value"

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.text) if part)


class InvalidFilesError(UsageError):
    """Files of `recipes/` are wrong; `problems` holds every one of them, each once, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.file))
        count = len(self.problems)
        listing = "\n".join(str(problem) for problem in self.problems)
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in recipes/:\n{listing}",
            next_step=f"{_remedy(self.problems)}, then: invoke recipes",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the error with its problems as objects."""
        return super().as_dict() | {"problems": [asdict(problem) for problem in self.problems]}


def _remedy(problems: Iterable[Problem]) -> str:
    rules = {one.rule == "unreadable" for one in problems}
    keys = "correct the keys above (recipes/README.md explains each)"
    files = "open to this user, or move away, what cannot be read"
    return f"{keys}, and {files}" if len(rules) > 1 else files if True in rules else keys


def read(
    path: Path, model: type[_Model], *, label: str = "", known: Known | None = None, named: bool = False
) -> tuple[_Model | None, list[Problem]]:
    """Return the checked content of a file, None where that cannot be had, and everything that is wrong with it.

    Args:
        path: The TOML file.
        model: What it must hold.
        label: How the report calls the file; its name by default.
        known: What its names are held to; None holds them to nothing.
        named: Whether its `name` must be the file's own.
    """
    label = label or path.name
    try:
        data = toml_text.parse(documents.bytes_of(path))
    except toml_text.NotTomlError as error:
        return None, [Problem(file=label, key="", text=str(error), rule="syntax")]
    except OSError as error:
        return None, [
            Problem(file=label, key="", text=f"cannot be read: {error.strerror}", rule="unreadable")
        ]
    misnamed = list(_misnamed(data, path, label)) if named else []
    try:
        return model.model_validate(data, context=known), misnamed
    except ValidationError as error:
        found = [
            Problem(file=label, key=key, text=text, rule=rule)
            for key, rule, text in faults_of(map(dict, error.errors(include_url=False)), model, data)
        ]
        return None, found if any(one.key == "name" for one in found) else [*misnamed, *found]


def _misnamed(data: Mapping[str, Any], path: Path, label: str) -> Iterator[Problem]:
    name = data.get("name")
    if isinstance(name, str) and name != path.stem:
        text = f"is {shown(name)}, must be the file's name {shown(path.stem)}"
        yield Problem(file=label, key="name", text=text)
