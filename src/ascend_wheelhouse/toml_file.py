"""Reading a TOML file into a checked model, with all problems of all files in one report.

Each problem is `file: dotted.key: what is wrong, what is allowed`. pydantic stays behind this edge: callers
get frozen models or one `InvalidFilesError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ascend_wheelhouse import toml_text
from ascend_wheelhouse.errors import UsageError

_Model = TypeVar("_Model", bound=BaseModel)
_HIDDEN = {"function-after", "function-before", "function-wrap"}


class FileModel(BaseModel):
    """Base of every model read from a file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong in one file.

    Args:
        file: The file, relative to the project where possible.
        key: Dotted path of the key at fault, or empty for the file as a whole.
        text: What is wrong and what is allowed.
    """

    file: str
    key: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.text) if part)


class InvalidFilesError(UsageError):
    """Recipes or stacks are wrong; `problems` holds every one of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        listing = "\n".join(str(problem) for problem in self.problems)
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in recipes or stacks:\n{listing}",
            next_step="mend the keys above (recipes/README.md explains each) and run `invoke recipes`",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the error with its problems as objects."""
        listed = [{"file": item.file, "key": item.key, "text": item.text} for item in self.problems]
        return super().as_dict() | {"problems": listed}


def read(path: Path, model: type[_Model], *, label: str = "") -> tuple[_Model | None, list[Problem]]:
    """Return the checked content of a file, or None and everything that is wrong with it.

    Args:
        path: The TOML file.
        model: What it must hold.
        label: How the report calls the file; its name by default.
    """
    label = label or path.name
    try:
        data = toml_text.parse(path.read_bytes())
    except toml_text.NotTomlError as error:
        return None, [Problem(file=label, key="", text=str(error))]
    except OSError as error:
        return None, [Problem(file=label, key="", text=f"cannot be read: {error.strerror}")]
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, [_problem(label, dict(item), model) for item in error.errors(include_url=False)]


def _problem(label: str, error: dict[str, Any], model: type[BaseModel]) -> Problem:
    location = [str(part) for part in error["loc"] if str(part) not in _HIDDEN]
    text = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        text = "unknown key" + _allowed(location, model)
    return Problem(file=label, key=".".join(location), text=text)


def _allowed(location: list[str], model: type[BaseModel]) -> str:
    if len(location) != 1:
        return ", see recipes/recipe.schema.json for the keys of this table"
    names = sorted(model.model_fields)
    return f", allowed are {', '.join(names)}"
