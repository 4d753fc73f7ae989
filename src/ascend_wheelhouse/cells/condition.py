"""Conditions of recipes: `when = { machine = "x86_64", torch_npu = "<2.13" }`.

A key is a field of the cell or a component, a value a version range or words separated by `|`. A key that no cell has
would never hold, and what hangs on it would be left out without a word: both sides are held to what can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

from packaging.specifiers import SpecifierSet
from pydantic import BeforeValidator, ValidationInfo

from ascend_wheelhouse.base.toml_fault import Fault, of_type, raise_for, shown
from ascend_wheelhouse.base.toml_file import Known
from ascend_wheelhouse.cells.file_values import CELL_FIELDS, check_cann, check_version
from ascend_wheelhouse.cells.target import MACHINES, NPUS

_WORDS: Mapping[str, tuple[str, ...]] = {"machine": MACHINES, "npu": NPUS}
_CHECKS: Mapping[str, tuple[Callable[[str], object], str]] = {
    **dict.fromkeys(("torch", "python", "glibc"), (check_version, "a version such as 2.8.0")),
    "cann": (check_cann, "a CANN version such as 8.5.0"),
}
_RANGE = ("<", ">", "=", "!", "~")


def _condition(when: object, info: ValidationInfo) -> object:
    """Return a condition when every key and value of it can hold."""
    if isinstance(when, dict):
        raise_for(Fault((key,), text) for key, value in when.items() for text in _faults(key, value, info))
    return when


def _faults(key: str, value: object, info: ValidationInfo) -> Iterator[str]:
    field = key.replace("-", "_")
    if not isinstance(value, str):
        yield of_type(value, "string_type")
        return
    if isinstance(info.context, Known):
        fields = CELL_FIELDS | {name.replace("-", "_") for name in info.context.components}
        if field not in fields:
            yield f"no cell has this field, allowed are {', '.join(sorted(fields))}"
            return
    if not value.startswith(_RANGE):
        yield from filter(None, (_word_fault(field, word) for word in value.split("|")))
    elif not _is(SpecifierSet, value):
        yield f"is {shown(value)}, must be a version range such as >=2.7,<2.8"


def _word_fault(field: str, word: str) -> str:
    if not word.strip():
        return "a word is empty, must be a version range or words separated by |"
    if word != word.strip():
        return f"is {shown(word)}, must be a word without spaces beside it: no cell has one"
    if field in _WORDS and word not in _WORDS[field]:
        return f"is {shown(word)}, allowed are {', '.join(_WORDS[field])}"
    if field in _CHECKS and not _is(_CHECKS[field][0], word):
        return f"is {shown(word)}, must be {_CHECKS[field][1]} or a range"
    return ""


def _is(kind: Callable[[str], object], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


When = Annotated[dict[str, str], BeforeValidator(_condition)]
