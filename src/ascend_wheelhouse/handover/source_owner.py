"""Whose a source in git is, and which release: said by its own project file and by its tags, or by a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Formatter

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base import pyproject
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.cells.recipe import GitOrigin, Recipe, Recipes
from ascend_wheelhouse.store.git_source import GitFailedError, git


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The component that a commit is the source of; `version` is empty where nothing says which release it is."""

    component: str = ""
    version: str = ""


def owner_of(place: Path, commit: str, refs: Iterable[str], recipes: Recipes, stated: Owner) -> Owner:
    """Return whose a commit is.

    Args:
        place: A repository that holds it.
        commit: Its id.
        refs: Names of the tags and branches that stand for it.
        recipes: Every recipe: those that are built from a Python project in git are looked at.
        stated: What a person said, which comes first.
    """
    recipe = recipes.get(stated.component) or next(_projects(place, commit, recipes), None)
    if recipe is None:
        return Owner()
    return Owner(component=recipe.name, version=stated.version or next(_releases(recipe, refs), ""))


def _projects(place: Path, commit: str, recipes: Recipes) -> Iterator[Recipe]:
    """Yield the recipes whose project lies where they say that it does."""
    for recipe in recipes.values():
        table = recipe.build
        if table is None or table.backend != "pep517" or not recipe.distribution:
            continue
        files = (*(table.project_file.files if table.project_file else ()), "pyproject.toml")
        if any(
            _named(place, commit, PurePosixPath(table.subdirectory, file)) == recipe.distribution
            for file in files
        ):
            yield recipe


def _named(place: Path, commit: str, path: PurePosixPath) -> str:
    """Return the project name that a file of a commit states, or nothing."""
    try:
        text = git("show", f"{commit}:{path}", at=place).encode()
        name = pyproject.parse(text, str(path)).get("project", {}).get("name", "")
    except (GitFailedError, WheelhouseError):
        return ""
    return canonicalize_name(name) if isinstance(name, str) else ""


def _releases(recipe: Recipe, refs: Iterable[str]) -> Iterator[str]:
    """Yield the releases that refs stand for, by the templates of the recipe's git origins."""
    names = [ref.removeprefix("refs/tags/").removeprefix("refs/heads/") for ref in refs]
    for origin in recipe.origins:
        if isinstance(origin, GitOrigin) and (pattern := _pattern(origin.ref)):
            yield from (match["version"] for name in names if (match := re.fullmatch(pattern, name)))


def _pattern(template: str) -> str:
    """Return the expression of a template that names the version alone, or nothing."""
    parts = list(Formatter().parse(template))
    if [name for _, name, _, _ in parts if name] != ["version"]:
        return ""
    return "".join(re.escape(text) + (r"(?P<version>\d.*)" if name else "") for text, name, _, _ in parts)
