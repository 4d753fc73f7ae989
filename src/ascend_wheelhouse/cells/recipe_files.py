"""Reading a folder of recipes: every file, and what shows only between them.

A name that an unreadable file has is known all the same, so that one fault makes one line of the report.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.toml_fault import Fault, rendered
from ascend_wheelhouse.base.toml_file import InvalidFilesError, Known, Problem, read
from ascend_wheelhouse.cells.recipe import Recipe, Recipes

TABLE = "compatibility.toml"


def load_recipes(folder: Path | Layered) -> Recipes:
    """Return every recipe of a folder by name.

    Raises:
        InvalidFilesError: Anything is wrong in any of them; the report lists everything.
    """
    recipes, problems = scan_recipes(folder, known_in(folder))
    if problems:
        raise InvalidFilesError(problems)
    return recipes


def known_in(folder: Path | Layered) -> Known:
    """Return the names that files of a `recipes/` folder may refer to: those of its files, readable or not."""
    return Known(
        components=frozenset(path.stem for path in _files(folder)),
        serving=frozenset(path.stem for path in Layered.of(folder).named("serving/*.toml").values()),
    )


def _files(folder: Path | Layered) -> list[Path]:
    return [path for path in Layered.of(folder).named("*.toml").values() if path.name != TABLE]


def scan_recipes(folder: Path | Layered, known: Known) -> tuple[dict[str, Recipe], list[Problem]]:
    """Return the sound recipes of a folder, by their files' names, and every problem of all of them."""
    recipes: dict[str, Recipe] = {}
    problems: list[Problem] = []
    for path in _files(folder):
        label = f"recipes/{path.name}"
        recipe, found = read(path, Recipe, label=label, known=known, named=True)
        problems += found
        if recipe is not None:
            recipes[path.stem] = recipe
    return recipes, [*problems, *_owners(recipes), *_cycles(recipes), *_unused(recipes)]


def _owners(recipes: Mapping[str, Recipe]) -> Iterator[Problem]:
    owners: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, recipe in recipes.items():
        for place, owned in enumerate(recipe.owns):
            owners[canonicalize_name(owned)].append((name, place))
    for owned, ((first, _), *others) in owners.items():
        for name, place in others:
            text = f"{owned!r} is owned by {first} already, one recipe alone may own a name"
            yield Problem(file=f"recipes/{name}.toml", key=rendered(["owns", place]), text=text, rule="twice")


def _cycles(recipes: Mapping[str, Recipe]) -> Iterator[Problem]:
    try:
        TopologicalSorter({name: recipe.needs for name, recipe in recipes.items()}).prepare()
    except CycleError as error:
        names = [str(name) for name in error.args[1]]
        text = f"a cycle: {' -> '.join(names)}, components must have an order"
        yield Problem(file=f"recipes/{names[0]}.toml", key="needs", text=text)


def _unused(recipes: Mapping[str, Recipe]) -> Iterator[Problem]:
    """Yield what nothing would read, and what has no value in any cell, by the kinds and names that a recipe has."""
    for name, recipe in recipes.items():
        for path, text, rule in (*_of_packages(recipe), *_of_origins(recipe, recipes)):
            key = rendered(path, recipe.model_dump())
            yield Problem(file=f"recipes/{name}.toml", key=key, text=text, rule=rule)


def _of_packages(recipe: Recipe) -> Iterator[Fault]:
    """Yield what is wrong with the names of a payload's packages, and with how they are installed."""
    if recipe.kind != "payload":
        text = f"must be left out: the kind is {recipe.kind}, and a payload alone has such packages"
        yield from (Fault((key,), text) for key in ("names", "install") if getattr(recipe, key))
        return
    if recipe.names and recipe.files:
        yield Fault(("files",), "must be left out: a payload is recognised by its [[names]]")
    if recipe.names and recipe.install is None:
        text = "a required key is missing, it says how the packages of [[names]] are put onto a node"
        yield Fault(("install",), text, "missing-key")
    if recipe.install is not None and not recipe.names:
        yield Fault(
            ("names",), "a required key is missing, it says which packages are installed so", "missing-key"
        )


def _of_origins(recipe: Recipe, recipes: Mapping[str, Recipe]) -> Iterator[Fault]:
    """Yield origins that no cell has a file of: a field of the URL has no value."""
    for place, origin in enumerate(recipe.origins):
        path = ("origins", place)
        url = getattr(origin, "url", "")
        if "{filename}" in url and not recipe.names:
            yield Fault((*path, "url"), "has {filename}, and the recipe has no [[names]] to fill it with")
        of = getattr(origin, "of", "") or recipe.name
        if "{archive}" in url and of in recipes and not recipes[of].archives:
            yield Fault(
                (*path, "url"), f"has {{archive}}, and the recipe of {of} has no [[archives]] to fill it with"
            )
