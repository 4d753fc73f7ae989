"""What a file's name says: whose it is, and which release, machine, chip, CANN and Python it is for.

A recipe's `files` patterns decide whose it is. Its origins' URL templates double as name patterns: the file
that `custom_ops-{version}.{npu}-{python_tag}-{python_tag}-linux_{machine}.whl` would fetch tells the same
fields back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from string import Formatter
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from ascend_wheelhouse.cells.recipe import ArchiveOrigin, Recipe, Recipes, UrlOrigin
from ascend_wheelhouse.cells.target import MACHINES, NPUS

_FIELD_PATTERNS = {
    "machine": "|".join(MACHINES),
    "npu": "|".join(NPUS),
    "python_tag": r"cp\d+",
    "cann": r"\d[\w.]*",
    "cann_lower": r"\d[\w.]*",
    "torch": r"\d[\w.]*",
}


@dataclass(frozen=True, kw_only=True)
class NameFacts:
    """What a name says, each empty where it does not; `python_tag` is such as `cp311`."""

    version: str = ""
    machine: str = ""
    npu: str = ""
    cann: str = ""
    torch: str = ""
    python_tag: str = ""

    def over(self, other: NameFacts) -> NameFacts:
        """Return these facts with the other's where these are silent."""
        told = {item.name: getattr(self, item.name) or getattr(other, item.name) for item in fields(self)}
        return replace(self, **told)


def recipes_for(filename: str, recipes: Recipes) -> list[Recipe]:
    """Return the recipes whose patterns the file's name fits."""
    return [recipe for recipe in recipes.values() if fits(filename, recipe)]


def fits(filename: str, recipe: Recipe) -> bool:
    """Tell whether the file's name fits one of the recipe's patterns."""
    if recipe.names:
        return any(re.fullmatch(name.pattern, filename) for name in recipe.names)
    return any(fnmatchcase(filename, pattern) for pattern in recipe.files)


def facts_of(filename: str, recipe: Recipe | None) -> NameFacts:
    """Return what the name says by the recipe's templates, then by the rules of wheel names."""
    told = _by_names(filename, recipe) if recipe else NameFacts()
    for origin in recipe.origins if recipe else ():
        if isinstance(origin, UrlOrigin | ArchiveOrigin):
            told = told.over(_by_template(filename, origin.url))
    told = told.over(_by_wheel_name(filename)).over(_by_sdist_name(filename))
    return told.over(NameFacts(machine=_machine_in(filename)))


def wheel_distribution(filename: str) -> str:
    """Return the normalised distribution name of a wheel, empty when the name is not a wheel's."""
    try:
        return parse_wheel_filename(filename)[0]
    except ValueError:
        return canonicalize_name(filename.partition("-")[0]) if filename.endswith(".whl") else ""


def _by_names(filename: str, recipe: Recipe) -> NameFacts:
    for name in recipe.names:
        if found := re.fullmatch(name.pattern, filename):
            return NameFacts(**found.groupdict(), npu=name.npu)
    return NameFacts()


def _by_template(filename: str, url: str) -> NameFacts:
    template = unquote(urlsplit(url).path.rpartition("/")[2])
    match = re.fullmatch(_expression(template), filename, re.IGNORECASE)
    found = match.groupdict() if match else {}
    if "cann_lower" in found:
        found["cann"] = found["cann_lower"]
    return NameFacts(**{item.name: found[item.name] for item in fields(NameFacts) if item.name in found})


def _expression(template: str) -> str:
    seen: set[str] = set()
    parts = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(literal))
        if name in seen:
            parts.append(f"(?P={name})")
        elif name:
            seen.add(name)
            parts.append(f"(?P<{name}>{_FIELD_PATTERNS.get(name, '.+?')})")
    return "".join(parts)


def _by_wheel_name(filename: str) -> NameFacts:
    try:
        _, version, _, tags = parse_wheel_filename(filename)
    except ValueError:
        return NameFacts()
    interpreters = {tag.interpreter for tag in tags if tag.abi not in {"none", "abi3"}}
    return NameFacts(
        version=str(version),
        machine=next((name for name in MACHINES if any(tag.platform.endswith(name) for tag in tags)), ""),
        python_tag=interpreters.pop() if len(interpreters) == 1 else "",
    )


def _by_sdist_name(filename: str) -> NameFacts:
    try:
        return NameFacts(version=str(parse_sdist_filename(filename)[1]))
    except ValueError:
        return NameFacts()


def _machine_in(filename: str) -> str:
    return next((machine for machine in MACHINES if machine in filename), "")
