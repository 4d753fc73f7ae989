"""What is wrong with one value of a TOML file, in the file's own terms: its key path, the rule, and a text.

pydantic names a place by the position in its own model (`origins.1.extra-index.url`). A person looks at the file,
where that is `url` of the second `[[origins]]`, whose kind is `extra-index`: `origins[2] (extra-index).url`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args

from pydantic import BaseModel

Rule = Literal[
    "syntax", "unreadable", "unknown-key", "missing-key", "type", "choice", "value", "reference", "twice"
]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HIDDEN = frozenset({"function-after", "function-before", "function-wrap", "[key]"})
_KINDS = {
    "string_type": "a string in quotes",
    "bool_type": "true or false, without quotes",
    "int_type": "a whole number, without quotes",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_RULES: Mapping[str, Rule] = {
    "missing": "missing-key",
    "union_tag_not_found": "missing-key",
    "extra_forbidden": "unknown-key",
    "literal_error": "choice",
    "union_tag_invalid": "choice",
    **dict.fromkeys(_KINDS, "type"),
}
_LONGEST = 60


class Fault(NamedTuple):
    """One thing wrong somewhere below a key: the key path from there, what is wrong, and the rule."""

    path: tuple[str | int, ...]
    text: str
    rule: Rule = "value"


class ValueFaultsError(ValueError):
    """Several things wrong below one key."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.text for fault in self.faults))


def raise_for(faults: Iterable[Fault]) -> None:
    """Raise when there is any fault.

    Raises:
        ValueFaultsError: With all of them.
    """
    if found := tuple(faults):
        raise ValueFaultsError(found)


class ReferenceFaultError(ValueError):
    """A name that something else must have, and nothing has."""


def faults_of(
    errors: Iterable[Mapping[str, Any]], model: type[BaseModel], data: Mapping[str, Any]
) -> list[tuple[str, Rule, str]]:
    """Return key path, rule and text of everything that pydantic's errors say.

    A key that is missing because it is mistyped is told as mistyped alone.

    Args:
        errors: As `ValidationError.errors()` gives them.
        model: The model that the file was read into.
        data: The file's content.
    """
    errors = list(errors)
    typed = {
        (*place, meant(str(error["loc"][-1]), _keys(list(_path(place, data)), model, data)))
        for error in errors
        if error["type"] == "extra_forbidden"
        for place in [error["loc"][:-1]]
    }
    told = [one for one in errors if one["type"] != "missing" or tuple(one["loc"]) not in typed]
    return [fault for error in told for fault in _faults(error, model, data)]


def _faults(
    error: Mapping[str, Any], model: type[BaseModel], data: Mapping[str, Any]
) -> Iterator[tuple[str, Rule, str]]:
    path, location = list(_path(error["loc"], data)), error["loc"]
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ValueFaultsError):
        for fault in cause.faults:
            yield rendered([*path, *fault.path], data), fault.rule, fault.text
        return
    if isinstance(cause, ReferenceFaultError):
        yield rendered(path, data), "reference", str(cause)
        return
    rule = _RULES.get(error["type"], "value")
    if error["type"] in {"union_tag_not_found", "union_tag_invalid"}:
        path = [*path, "kind"]
    if "[key]" in location and rule == "choice":
        rule = "unknown-key"
    yield rendered(path, data), rule, _text(error, path, model, data)


def _path(location: Iterable[str | int], data: object) -> Iterator[str | int]:
    """Leave out what only the model has: the kind of an origin, which pydantic puts after its number."""
    here, after_number = data, False
    for part in location:
        if part in _HIDDEN or (after_number and isinstance(here, dict) and here.get("kind") == part):
            after_number = False
            continue
        yield part
        here, after_number = _below(here, part), isinstance(part, int)


def _below(here: object, part: str | int) -> object:
    if isinstance(here, dict):
        return here.get(part)
    if isinstance(here, list) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


def rendered(path: Iterable[str | int], data: object = None) -> str:
    """Return a key path as TOML writes it; entries of lists are counted from 1, tables among them with their kind."""
    text, here = "", data
    for part in path:
        here = _below(here, part)
        if isinstance(part, int):
            kind = here.get("kind") if isinstance(here, dict) else None
            text += f"[{part + 1}]" + (f" ({kind})" if isinstance(kind, str) else "")
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else json.dumps(part))
    return text


def _text(
    error: Mapping[str, Any], path: list[str | int], model: type[BaseModel], data: Mapping[str, Any]
) -> str:
    kind, found, facts = error["type"], error.get("input"), error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(str(path[-1]), _keys(path[:-1], model, data))
    if kind == "literal_error" and "[key]" in error["loc"]:
        return f"unknown key, allowed are {facts['expected']}"
    if kind in _KINDS:
        return of_type(found, kind)
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    texts = {
        "missing": "a required key is missing",
        "union_tag_not_found": "a required key is missing",
        "literal_error": f"is {shown(found)}, allowed are {facts.get('expected')}",
        "union_tag_invalid": f"is {shown(facts.get('tag'))}, allowed are {facts.get('expected_tags')}",
        "too_short": "is empty, needs at least one entry",
        "value_error": text,
    }
    return texts.get(kind, f"is {shown(found)}, {text}")


def of_type(value: object, kind: str) -> str:
    """Return the text for a value of another type; `kind` is pydantic's word for the type wanted."""
    return f"is {shown(value)}, must be {_KINDS[kind]}"


def shown(value: object) -> str:
    """Return a value as a TOML file shows it, shortened."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = json.dumps(value, ensure_ascii=False)
        case dict():
            text = "a table"
        case list():
            text = "a list"
        case _:
            text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _unknown(word: str, known: list[str]) -> str:
    near = meant(word, known)
    proposal = f", did you mean {near}?" if near else ","
    return f"unknown key{proposal} allowed are {', '.join(known)}"


def meant(word: str, known: Iterable[str]) -> str:
    """Return the known name that a mistyped one is closest to, or nothing where none is close."""
    return next(iter(difflib.get_close_matches(word, sorted(known), n=1)), "")


def _keys(path: list[str | int], model: type[BaseModel], data: object) -> list[str]:
    """Return the keys of the table at a path."""
    here, annotation = data, model
    for part in path:
        here = _below(here, part)
        if isinstance(part, str) and part in (fields := _model(annotation, here).model_fields):
            annotation = fields[part].annotation  # type: ignore[assignment]  # always there, a union at times
    return sorted(_model(annotation, here).model_fields)


def _model(annotation: object, data: object) -> type[BaseModel]:
    """Return the model within an annotation; of several the one whose `kind` is that of the table."""
    models = list(_models(annotation))
    kind = data.get("kind") if isinstance(data, dict) else None
    for model in models:
        if "kind" in model.model_fields and kind in get_args(model.model_fields["kind"].annotation):
            return model
    return models[0]


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
