"""Options that several tasks take together: declared once, as the fields of a class, and handed over as one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from inspect import Parameter, signature
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class OptionGroup:
    """What the command line says in some options, an option a field.

    A task takes a group by a parameter whose default is one: see `groups_of`.
    """

    texts: ClassVar[Mapping[str, str]] = {}
    """The help of each option."""
    repeated: ClassVar[tuple[str, ...]] = ()
    """Fields whose option may be repeated."""


Groups = Mapping[str, type[OptionGroup]]
"""The groups of a task, by the parameter that takes each."""


def groups_of(body: Callable[..., None]) -> Groups:
    """Return the groups that a task's function takes."""
    parameters = signature(body).parameters.values()
    return {one.name: type(one.default) for one in parameters if isinstance(one.default, OptionGroup)}


def spread(parameters: Iterable[Parameter], groups: Groups) -> Iterator[Parameter]:
    """Yield parameters with the options of each group in the place of the one that takes it."""
    for one in parameters:
        if one.name in groups:
            for option in signature(groups[one.name]).parameters.values():
                yield option.replace(kind=Parameter.POSITIONAL_OR_KEYWORD)
        else:
            yield one


def gathered(options: Mapping[str, Any], groups: Groups) -> dict[str, Any]:
    """Return the options of a call with those of each group as one value under its parameter."""
    names = {option.name: name for name, group in groups.items() for option in fields(group)}
    own = {name: value for name, value in options.items() if name not in names}
    for name, group in groups.items():
        own[name] = group(**{key: value for key, value in options.items() if names.get(key) == name})
    return own
