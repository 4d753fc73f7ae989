"""From a locked source to its wheel in the store."""

from __future__ import annotations

from ascend_wheelhouse.errors import BuildError
from ascend_wheelhouse.events import Emit
from ascend_wheelhouse.lock import LockedSource
from ascend_wheelhouse.pylock import LockedFile
from ascend_wheelhouse.recipe import Recipe
from ascend_wheelhouse.store import Store


def build_source(source: LockedSource, recipe: Recipe, *, store: Store, emit: Emit) -> LockedFile:
    """Return the wheel of a source, built, normalised and in the store.

    Raises:
        BuildError: The build failed.
    """
    raise BuildError(f"{recipe.name}: no builder for {source.filename} in {store.root} yet ({emit})")
