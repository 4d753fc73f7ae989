"""Placeholders in a `[build]` table: `{names}` in its texts, and what is put in their place.

Values of the cell are put in when the table is resolved; the late ones are known to the build itself alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ascend_wheelhouse.base.errors import UsageError

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
LATE_PLACEHOLDERS = frozenset(
    {"jobs", "out", "source", "env", "cann_home", "cann_set_env", "commit", "commit8", "epoch"}
)


class RecipeBuildError(UsageError):
    """A `[build]` table cannot be read as it stands (exit 2)."""


def placeholders(
    value: object, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield each `{placeholder}` of every text below a value, with its place; patterns of edits have none."""
    match value:
        case str():
            yield from ((path, name) for name in dict.fromkeys(_PLACEHOLDER.findall(value)))
        case dict():
            for key, inner in value.items():
                if key != "find":
                    yield from placeholders(inner, (*path, key))
        case list() | tuple():
            for place, inner in enumerate(value):
                yield from placeholders(inner, (*path, place))


def fill(text: str, known: Mapping[str, str], *, late: frozenset[str] = frozenset()) -> str:
    """Return `text` with each `{name}` replaced; names in `late` that are not known yet stay.

    Raises:
        RecipeBuildError: A name is neither known nor late.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in known:
            return known[name]
        if name in late:
            return match[0]
        raise RecipeBuildError(
            f"The build recipe names {{{name}}} in {text!r}, which has no value here.",
            why=f"Known are: {', '.join(sorted({*known, *late}))}.",
            next_step="give it under `values` of the [build] table or of one of its variants",
        )

    return _PLACEHOLDER.sub(value, text)


def expand(values: Mapping[str, str]) -> dict[str, str]:
    """Return values with those filled in that name each other."""
    return {name: fill(value, values, late=LATE_PLACEHOLDERS) for name, value in values.items()}
