"""What a file's name says: whose it is, and which release, machine, chip, CANN and Python it is for.

A recipe's `files` patterns and the names of its archives decide whose it is. The archives' names and the URL
templates of its origins double as name patterns: the file that
`custom_ops-{version}.{npu}-{python_tag}-{python_tag}-linux_{machine}.whl` would fetch tells the same fields back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


_OF_A_CELL = ("torch", "python_tag", "cann", "npu", "machine")
_SPOKEN = {"python_tag": "Python", "cann": "CANN", "npu": "chip"}


@dataclass(frozen=True, kw_only=True)
class NameFacts:
    """What a name says, each empty where it does not; `python_tag` is such as `cp311`."""

    version: str = ""
    machine: str = ""
    npu: str = ""
    cann: str = ""
    torch: str = ""
    python_tag: str = ""

    @property
    def words(self) -> str:
        """The facts as a person reads them: `2026.9.0, torch 2.10.0, Python 3.11, CANN 9.0.0, a3, aarch64`."""
        python = re.sub(r"^cp(\d)(\d+)$", r"Python \1.\2", self.python_tag)
        torch, cann = (
            f"{name} {told}" if told else "" for name, told in (("torch", self.torch), ("CANN", self.cann))
        )
        return (
            ", ".join(filter(None, [self.version, torch, python, cann, self.npu, self.machine])) or "any cell"
        )

    def differing(self, other: NameFacts) -> list[str]:
        """Return the names of the facts, but the release, that both tell and tell differently."""
        told = {name: (getattr(self, name), getattr(other, name)) for name in _OF_A_CELL}
        return [
            _SPOKEN.get(name, name)
            for name, (one, two) in told.items()
            if one and two and one.lower() != two.lower()
        ]

    def over(self, other: NameFacts) -> NameFacts:
        """Return these facts with the other's where these are silent."""
        told = {item.name: getattr(self, item.name) or getattr(other, item.name) for item in fields(self)}
        return replace(self, **told)


def recipes_for(filename: str, recipes: Recipes) -> list[Recipe]:
    """Return the recipes whose patterns the file's name fits."""
    return [recipe for recipe in recipes.values() if fits(filename, recipe)]


def fits(filename: str, recipe: Recipe) -> bool:
    """Tell whether the file's name fits one of the recipe's patterns."""
    if any(name.told(filename) for name in recipe.archives):
        return True
    if recipe.names:
        return any(re.fullmatch(name.pattern, filename) for name in recipe.names)
    return any(fnmatchcase(filename, pattern) for pattern in recipe.files)


def facts_of(filename: str, recipe: Recipe | None) -> NameFacts:
    """Return what the name says by the recipe's templates, then by the rules of wheel names."""
    told = _by_publisher(filename, recipe) if recipe else NameFacts()
    told = told.over(_by_wheel_name(filename)).over(_by_sdist_name(filename))
    return told.over(NameFacts(machine=_machine_in(filename)))


def names_release(filename: str, recipe: Recipe) -> bool:
    """Tell whether the name is one of the publisher's that hold the release: a wheel's own version may be another."""
    return bool(_by_publisher(filename, recipe).version)


def wheel_distribution(filename: str) -> str:
    """Return the normalised distribution name of a wheel, empty when the name is not a wheel's."""
    try:
        return parse_wheel_filename(filename)[0]
    except ValueError:
        return canonicalize_name(filename.partition("-")[0]) if filename.endswith(".whl") else ""


def _by_publisher(filename: str, recipe: Recipe) -> NameFacts:
    """Return what the templates of the recipe tell: names of packages, of archives, and its origins' URLs."""
    told = _by_names(filename, recipe)
    for name in recipe.archives:
        told = told.over(_as_facts(name.told(filename)))
    for origin in recipe.origins:
        if isinstance(origin, UrlOrigin | ArchiveOrigin):
            told = told.over(_by_template(filename, origin.url))
    return told


def _by_names(filename: str, recipe: Recipe) -> NameFacts:
    for name in recipe.names:
        if found := re.fullmatch(name.pattern, filename):
            return NameFacts(**found.groupdict(), npu=name.npu)
    return NameFacts()


def _by_template(filename: str, url: str) -> NameFacts:
    template = unquote(urlsplit(url).path.rpartition("/")[2])
    match = re.fullmatch(_expression(template), filename, re.IGNORECASE)
    return _as_facts(match.groupdict() if match else {})


def _as_facts(found: Mapping[str, str]) -> NameFacts:
    """Return what fields of a template say; those that are spelt otherwise there in the words of the facts."""
    spelt = {"cann": found.get("cann_lower", ""), "python_tag": f"cp{found['py']}" if "py" in found else ""}
    known = {**spelt, **found}
    return NameFacts(**{item.name: known[item.name] for item in fields(NameFacts) if item.name in known})


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
