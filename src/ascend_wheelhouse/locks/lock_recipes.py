"""Does a lock speak of the recipes that are here? A component that none knows can be neither fetched nor built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.locks.lock import Lock


class ForeignLockError(UsageError):
    """A lock names a component that no recipe here is for, or that its recipe cannot give in that way."""


def require_recipes(lock: Lock, recipes: Recipes) -> Lock:
    """Return the lock when its components are those of the recipes.

    Raises:
        ForeignLockError: They are not; the text tells every one.
    """
    if faults := sorted(set(_faults(lock, recipes))):
        raise ForeignLockError(
            f"The lock of {lock.stack} for {lock.platform} does not go with the recipes: {'; '.join(faults)}.",
            why="It was edited by hand, or made with other recipes.",
            next_step="restore it from git, or make it again: `invoke lock --upgrade {cell}`",
        )
    return lock


def _components(lock: Lock) -> list[str]:
    """Return what is built, installed into the host, or awaited."""
    built, into_host = [one.component for one in lock.sources], [one.component for one in lock.payloads]
    return [*built, *into_host, *(one.component for one in lock.pending)]


def _counted(lock: Lock) -> Iterator[tuple[str, int]]:
    """Yield every component, distribution and file that may stand in a lock once, with how often it does."""
    built = [source.wheel for source in lock.sources if source.wheel]
    yield from Counter(_components(lock)).items()
    yield from Counter(wheel.name for wheel in (*lock.wheels, *built)).items()
    files = [*(wheel.filename for wheel in (*lock.wheels, *built)), *(one.filename for one in lock.payloads)]
    yield from Counter(files).items()


def _faults(lock: Lock, recipes: Recipes) -> Iterator[str]:
    named = [*_components(lock), *(wheel.component for wheel in lock.wheels if wheel.component)]
    yield from (f"there is no recipe {name!r}" for name in named if name not in recipes)
    yield from (f"{name!r} stands there {count} times" for name, count in _counted(lock) if count > 1)
    for source in lock.sources:
        recipe = recipes.get(source.component)
        if recipe is not None and recipe.build is None:
            yield f"the recipe {source.component!r} has no [build] table"
