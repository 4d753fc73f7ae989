"""Whether a file can be what a person says that it is, where its name does not tell: a wheel, a package, a source."""

from __future__ import annotations

from pathlib import PurePosixPath

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.artefact_name import fits, wheel_distribution
from ascend_wheelhouse.cells.recipe import Recipe

_SOURCES = (".tar.gz", ".tgz")


class WrongKindError(UsageError):
    """The file is no wheel, package or source of the component that was named."""


def require_kind(filename: str, recipe: Recipe) -> None:
    """Hold a file to be of a kind that its component has; one whose name the recipe knows is.

    Raises:
        WrongKindError: It is of another kind, or the wheel of another project.
    """
    if filename.endswith(".zip") or fits(filename, recipe):
        return
    ends = _ends(recipe)
    if not filename.endswith(ends):
        raise WrongKindError(
            f"{filename} is no file of {recipe.name}: those end in {', '.join(ends)}.",
            why="--component says whose a renamed file is, and every run would take this one for it.",
            next_step=f"give the file itself, with its end as published: {', '.join(recipe.patterns)}",
        )
    project = canonicalize_name(recipe.distribution)
    if filename.endswith(".whl") and wheel_distribution(filename) != project:
        raise WrongKindError(
            f"{filename} is a wheel of {wheel_distribution(filename)}, and those of {recipe.name} are of {project}.",
            why="pip and uv install a wheel under the name that it has inside.",
            next_step="leave out --component, or name the component that it belongs to",
        )


def _ends(recipe: Recipe) -> tuple[str, ...]:
    """Return how names of a component's files end."""
    known = [PurePosixPath(pattern).suffix for pattern in recipe.patterns]
    own = [".run"] if recipe.kind == "payload" else [".whl"]
    sources = _SOURCES if recipe.build else ()
    return tuple(dict.fromkeys([*own, *(end for end in known if end not in {"", ".zip", ".gz"}), *sources]))
