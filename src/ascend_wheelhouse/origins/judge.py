"""Which of the offered files the target can use, by unearth's evaluator, and which of them is the best.

unearth judges file name, tags, `Requires-Python` and upload time; the tags are those that `target.py` computed.
Tags are looked at here first as well, since most files of a page fall by them and that is much cheaper.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from unearth.evaluator import Evaluator, TargetPython
from unearth.link import Link
from unearth.utils import fix_legacy_specifier

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.page import Offer
from ascend_wheelhouse.wheels.wheel_names import BuildRank, build_rank


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An offer that the target can use; the lowest rank is the best."""

    offer: Offer
    place: int
    version: Version
    rank: tuple[bool, int, BuildRank, int]


class _TargetTags(TargetPython):
    """unearth's view of our target; the tags are computed in `target.py` alone."""

    def __init__(self, target: Target) -> None:
        super().__init__(py_ver=target.python)
        self._tags = list(target.tags)

    def supported_tags(self) -> list[Tag]:
        return self._tags


class Judge:
    """What unearth's evaluator says of a project's offers, with their rank; the lowest rank is the best."""

    def __init__(self, name: str, target: Target, *, exclude_newer: datetime | None) -> None:
        self._tags = {tag: number for number, tag in enumerate(target.tags)}
        self._evaluators = {
            limit: Evaluator(
                package_name=name,
                target_python=_TargetTags(target),
                allow_yanked=True,
                exclude_newer_than=limit,
            )
            for limit in (None, exclude_newer)
        }
        self._exclude_newer = exclude_newer

    def candidate(self, offer: Offer, place: int, *, dated: bool) -> Candidate | None:
        """Return the offer with its version and rank, None when the target cannot use it.

        Args:
            offer: A file of the project.
            place: The number of the index or find-links place that offers it; earlier ones go first.
            dated: Whether the place states upload times, so that `exclude_newer` holds for it.
        """
        tag_rank, build = self._wheel_rank(offer) if offer.is_wheel else (0, build_rank(()))
        if tag_rank is None:
            return None
        evaluator = self._evaluators[self._exclude_newer if dated else None]
        try:
            package = evaluator.evaluate_link(_link(offer))
            version = Version(package.version) if package and package.version else None
        except ValueError:  # a number of thousands of digits, which no release has
            return None
        if version is None:
            return None
        rank = (offer.yanked, tag_rank, build, place)  # as pip: a withdrawn file goes last
        return Candidate(offer=offer, place=place, version=version, rank=rank)

    def _wheel_rank(self, offer: Offer) -> tuple[int | None, BuildRank]:
        try:
            _, _, build, tags = parse_wheel_filename(offer.filename)
        except ValueError:
            return None, build_rank(())
        ranks = [self._tags[tag] for tag in tags if tag in self._tags]
        return min(ranks, default=None), build_rank(build)


def _link(offer: Offer) -> Link:
    return Link(
        offer.url,
        yank_reason="" if offer.yanked else None,
        requires_python=offer.requires_python if _can_be_read(offer.requires_python) else None,
        upload_time=offer.upload_time,
    )


def _can_be_read(requires_python: str) -> bool:
    """Tell whether a page says for which Pythons a file is; pip passes over what it cannot read, and takes the file.

    What releases before PEP 440 was kept wrote (`>=3.12.*`), and its evaluator understands, is read as there.
    """
    with suppress(InvalidSpecifier):
        return bool(SpecifierSet(fix_legacy_specifier(requires_python)))
    return False
