"""The releases of a component that upstream has published: of the index by their files, of git hosts by their tags."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ascend_wheelhouse.cells.recipe import ExtraIndexOrigin, IndexOrigin, Recipe, SdistOrigin
from ascend_wheelhouse.cells.target import Target, dotted
from ascend_wheelhouse.origins.page import Offer
from ascend_wheelhouse.watch.asking import PublishedFiles
from ascend_wheelhouse.watch.names import dated, usable, version_or_none, version_text
from ascend_wheelhouse.watch.tags import TagPlace, Tags


@dataclass(frozen=True, kw_only=True)
class Release:
    """One published release.

    Args:
        version: Its version, ordered with the others of its component.
        text: As upstream writes it.
        published: When its first file came to the index (RFC 3339), empty where nothing says so.
        sdist: Whether the index has its source.
        tagged: Whether it is known by its tag alone.
    """

    version: Version
    text: str
    published: str = ""
    sdist: bool = False
    tagged: bool = False


def on_index(recipe: Recipe) -> bool:
    """Tell whether the index lists a component's releases."""
    return any(isinstance(one, IndexOrigin | ExtraIndexOrigin | SdistOrigin) for one in recipe.origins)


def by_source(recipe: Recipe) -> bool:
    """Tell whether a component is made from source, so that no wheel of the index counts as its own."""
    return on_index(recipe) and not any(
        isinstance(one, IndexOrigin | ExtraIndexOrigin) for one in recipe.origins
    )


def fits_python(offer: Offer, target: Target) -> bool:
    """Tell whether a file says that it is for the target's Python."""
    try:
        return not offer.requires_python or SpecifierSet(offer.requires_python).contains(
            f"{dotted(target.python)}.0", prereleases=True
        )
    except ValueError:
        return True


def first_upload(offers: Iterable[Offer]) -> str:
    """Return when the first of some files came to the index (RFC 3339, UTC), empty where nothing says so."""
    times = [one.upload_time for one in offers if one.upload_time]
    return _text(min(times)) if times else ""


def _text(when: datetime) -> str:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


def releases(
    recipe: Recipe,
    files: PublishedFiles,
    tags: Tags,
    place: TagPlace | None,
    targets: Iterable[Target],
) -> list[Release]:
    """Return the releases of a component, oldest first; yanked ones and those for no target are left out.

    Args:
        recipe: The component.
        files: What the index has of it.
        tags: What the git hosts have.
        place: Where its tags are.
        targets: The nodes that one of its wheels has to be for.
    """
    nodes = tuple(targets)
    found = {one.version: one for one in _tagged(tags, place)}
    by_version: defaultdict[Version, list[Offer]] = defaultdict(list)
    for offer in files.offers:
        version = version_or_none(version_text(offer.filename))
        if version is not None and not offer.yanked:
            by_version[Version(version.public)].append(offer)
    for version, offers in by_version.items():
        if by_source(recipe) or any(_for(one, nodes) for one in offers):
            found[version] = Release(
                version=version,
                text=str(version),
                published=first_upload(offers),
                sdist=any(not one.is_wheel for one in offers),
            )
    return sorted(found.values(), key=lambda one: one.version)


def _for(offer: Offer, targets: tuple[Target, ...]) -> bool:
    return any(usable(offer.filename, one) and fits_python(offer, one) for one in targets)


def _tagged(tags: Tags, place: TagPlace | None) -> Iterable[Release]:
    for text in tags.of.get(place, ()) if place else ():
        if (version := version_or_none(text)) is not None:
            yield Release(version=dated(version), text=text, tagged=True)
