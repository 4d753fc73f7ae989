"""New releases of the components of the stacks, and components whose publishers could not be asked.

A release is new for a stack when it is newer than what any stack of the same line has. torch, torchvision, torchaudio
and torch_npu have a line for each torch release: a stack is for one torch, and the next torch is another stack.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from packaging.version import Version

from ascend_wheelhouse.base.cell_words import own_words
from ascend_wheelhouse.cells.compatibility import Compatibility
from ascend_wheelhouse.cells.recipe import Recipe, Recipes
from ascend_wheelhouse.cells.stack import OF_CANN, Stack
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.watch.asking import PublishedFiles
from ascend_wheelhouse.watch.findings import WatchFinding, is_asked, not_known
from ascend_wheelhouse.watch.held import Watched
from ascend_wheelhouse.watch.moves import (
    TOGETHER,
    kept_out,
    moves,
    moves_alone,
    of_two_releases,
    stated,
    taken,
)
from ascend_wheelhouse.watch.names import dated, version_or_none
from ascend_wheelhouse.watch.releases import Release, on_index, releases
from ascend_wheelhouse.watch.tags import Tags, tag_place

_OF_TORCH = ("torch", "torchvision", "torchaudio")
_OPENS_A_LINE = ("torch", "torch-npu")
_FILES = "files"
_SINGLE_FILES = "its publisher lists no releases: the files of a release are had by their exact names alone"


@dataclass(frozen=True, kw_only=True)
class Components:
    """The components of the watched stacks, beside what upstream has.

    Args:
        watched: Stacks and locks.
        stacks: Every stack, watched or not: what one of them has is no news for another of its line.
        recipes: Every recipe.
        table: The compatibility table.
        files: What the index has, by project.
        tags: What git hosts have.
    """

    watched: Watched
    stacks: Sequence[Stack]
    recipes: Recipes
    table: Compatibility
    files: Mapping[str, PublishedFiles]
    tags: Tags

    def findings(self) -> Iterator[WatchFinding]:
        """Yield new releases, rows of the table that no stack has, and what could not be asked."""
        for name in sorted({name for stack in self.watched.stacks for name in versions_of(stack)}):
            yield from self._silent(self.recipes[name])
            yield from self._new(name)
        yield from self._rows()

    def _nodes(self, stack: Stack) -> frozenset[Target]:
        """Return every kind of node of a stack: those that its file names, and those of its locks."""
        named = {Target(machine=machine, npu=npu) for machine in stack.platforms for npu in stack.npus}
        return frozenset(named | {one.target for one in self.watched.locks if one.stack == stack.name})

    @cached_property
    def _every_node(self) -> frozenset[Target]:
        return frozenset(
            {node for one in self.watched.stacks for node in self._nodes(one)}
            | {one.target for one in self.watched.locks}
        )

    @cached_property
    def _asked(self) -> dict[tuple[str, frozenset[Target]], list[Release]]:
        """What was found out already: most stacks are for the same nodes."""
        return {}

    def _releases(self, name: str, nodes: frozenset[Target] | None = None) -> list[Release]:
        """Return the releases of a component that have a wheel for some nodes, of any stack or lock where None."""
        key = (name, self._every_node if nodes is None else nodes)
        if key not in self._asked:
            recipe = self.recipes[name]
            files = self.files.get(recipe.distribution, PublishedFiles())
            self._asked[key] = releases(recipe, files, self.tags, tag_place(recipe), key[1])
        return self._asked[key]

    def _new(self, name: str) -> Iterator[WatchFinding]:
        lines: defaultdict[str, list[Stack]] = defaultdict(list)
        for stack in self.stacks:
            if name in versions_of(stack):
                lines[line_of(name, _ordered(versions_of(stack)[name]))].append(stack)
        for line, stacks in sorted(lines.items()):
            held = _ordered(max((versions_of(one)[name] for one in stacks), key=_ordered))
            for own_held, own in self._watched_of(name, stacks):
                newer = {
                    one.name: _newer(self._releases(name, self._nodes(one)), held, line, name) for one in own
                }
                yield from self._findings_of(name, own_held, own, newer)
        yield from self._beyond(name, self._releases(name), set(lines))

    def _findings_of(
        self, name: str, held: str, own: Sequence[Stack], newer: Mapping[str, Sequence[Release]]
    ) -> Iterator[WatchFinding]:
        """Yield what is worth telling of a component for stacks that have one version of it.

        Args:
            name: The component.
            held: The version.
            own: The stacks.
            newer: What is newer, of each the releases that its nodes have a wheel of.
        """
        told = {release for one in own for release in self._worth(name, newer[one.name], one)}
        for release in sorted(told, key=lambda one: one.version):
            able = [one for one in own if release in newer[one.name]]
            chosen = {
                one.name: taken(name, [each for each in newer[one.name] if each in told], one, self.table)
                for one in able
            }
            yield self._finding(name, held, release, able, chosen)

    def _watched_of(self, name: str, stacks: Sequence[Stack]) -> list[tuple[str, list[Stack]]]:
        """Return the watched ones of some stacks by the version that they have of a component, oldest first."""
        by_version: defaultdict[str, list[Stack]] = defaultdict(list)
        for one in stacks:
            if one in self.watched.stacks:
                by_version[versions_of(one)[name]].append(one)
        return sorted(by_version.items(), key=lambda each: _ordered(each[0]))

    def _worth(self, name: str, newer: Sequence[Release], stack: Stack) -> list[Release]:
        """Return the newest release, and before it torch_npu's newest that fits the stack's own CANN."""
        fitting = [one for one in newer if name == "torch-npu" and stated(name, one, stack, self.table)]
        return [*fitting[-1:], *newer[-1:]]

    def _beyond(self, name: str, every: Sequence[Release], lines: set[str]) -> Iterator[WatchFinding]:
        """Yield the newest release of each torch line that no stack has, and that is newer than all of theirs."""
        if name not in _OPENS_A_LINE:
            return
        newest = max(map(_ordered, lines))
        held = max((versions_of(one)[name] for one in self.stacks if name in versions_of(one)), key=_ordered)
        found = {line_of(name, one.version): one for one in every if not one.version.is_prerelease}
        for line, release in found.items():
            if line not in lines and _ordered(line) > newest:
                yield self._finding(name, held, release, [], {})

    def _finding(
        self,
        name: str,
        held: str,
        release: Release,
        stacks: Sequence[Stack],
        chosen: Mapping[str, Release | None],
    ) -> WatchFinding:
        named = frozenset(one.name for one in stacks)
        npus = self._releases("torch-npu") if name == "torch" else []
        told = moves(name, release, stacks=stacks, table=self.table, recipes=self.recipes, torch_npus=npus)
        seen = self._seen_by(release, named)
        parts = ["" if stacks else "No stack has this line.", told]
        if apart := self._apart(name, release, stacks):
            parts.append(
                f"{apart} are not for each other: neither moves before both are there in one version."
            )
        kept = {one.name: kept_out(name, release, one, self.recipes) for one in stacks}
        parts += _before_it(kept, chosen, release)
        takes = sorted(one for one, taking in chosen.items() if taking == release)
        able = [one for one in stacks if not kept[one.name] and one.name in takes]
        parts += ["It was there when the locks were made."] if seen else []
        return WatchFinding(
            kind="new",
            of="component",
            component=name,
            before=held,
            after=release.text,
            published=release.published,
            stacks=tuple(sorted(named)),
            locks=self.watched.locks_of(named),
            text=" ".join(filter(None, parts)),
            command="" if apart or (stacks and not able) else _command(name, release, able, self.table),
            facts={
                "tag": release.tagged,
                "table": self._row_of(name, release),
                "before_locks": seen,
                "takes": takes,
            },
        )

    def _apart(self, name: str, release: Release, stacks: Sequence[Stack]) -> str:
        """Return which two releases `--apply` would put beside each other that are not for each other."""
        other = TOGETHER.get(name, "")
        beside = [versions_of(one)[other] for one in stacks if other in versions_of(one)]
        if not beside:
            return ""
        held = max(beside, key=_ordered)
        newer = _newer(self._releases(other), _ordered(held), line_of(other, _ordered(held)), other)
        return of_two_releases({name: release.text, other: newer[-1].text if newer else held})

    def _seen_by(self, release: Release, stacks: frozenset[str]) -> bool | None:
        """Tell whether the locks of stacks were made with the release at hand; None where no time says."""
        times = [one.since for one in self.watched.locks if one.since and one.stack in stacks]
        if not (release.published and times):
            return None
        return datetime.fromisoformat(release.published) < min(times)

    def _row_of(self, name: str, release: Release) -> bool | None:
        """Tell whether the compatibility table has a row of a release; None where it has none of the component."""
        if name == "torch-npu":
            return self.table.row(release.text) is not None
        if name == "triton-ascend":
            return any(row.version == release.text for row in self.table.triton_ascend)
        return None

    def _rows(self) -> Iterator[WatchFinding]:
        """Yield CANN lines of the table that no stack has, newer than all of theirs."""
        held = {one.cann for one in self.stacks}
        for cann in self.table.canns:
            if held and all(_cann(cann) > _cann(one) for one in held):
                row = next(row for row in self.table.torch_npu if row.cann == cann)
                yield WatchFinding(
                    kind="new",
                    of="table",
                    component="cann",
                    before=max(held, key=_cann),
                    after=cann,
                    text=f"recipes/compatibility.toml knows it with torch {row.torch} and torch_npu {row.version}; "
                    "no stack has it.",
                    command=f"invoke plan --torch {row.torch} --platform aarch64 --cann {cann}",
                )

    def _silent(self, recipe: Recipe) -> Iterator[WatchFinding]:
        """Yield one finding for each place of a component that could not be asked, and where there is none to ask."""
        reasons: dict[str, str] = {}
        if on_index(recipe):
            reasons |= self.files.get(recipe.distribution, PublishedFiles()).silent
        if (place := tag_place(recipe)) is not None and place.url in self.tags.silent:
            reasons[place.url] = self.tags.silent[place.url]
        if not on_index(recipe) and place is None:
            reasons[_FILES] = _SINGLE_FILES
        stacks = frozenset(one.name for one in self.watched.stacks if recipe.name in versions_of(one))
        for where, why in reasons.items():
            yield WatchFinding(
                kind="unreachable",
                of="component",
                component=recipe.name,
                stacks=tuple(sorted(stacks)),
                locks=self.watched.locks_of(stacks),
                text=not_known(why, asked=where != _FILES),
                facts={"place": where, "asked": where != _FILES and is_asked(why)},
                about=where.removeprefix("https://"),
            )


def _before_it(
    kept: Mapping[str, str], chosen: Mapping[str, Release | None], release: Release
) -> Iterator[str]:
    """Yield what goes before a release: what would have to move first, and another one that is taken."""
    yield from (f"{one}: that would have to move first." for one in sorted({*kept.values()} - {""}))
    others = dict.fromkeys(one.text for one in chosen.values() if one and one != release)
    yield from (f"`--apply` takes {one} before it." for one in others)


def versions_of(stack: Stack) -> dict[str, str]:
    """Return the version of every named component of a stack, those on request included."""
    return {**stack.optional, **stack.components}


def line_of(name: str, version: Version) -> str:
    """Return the line that a release is of; releases of other lines do not take its place."""
    if name == "torch-npu":
        return version.base_version
    return f"{version.major}.{version.minor}" if name in _OF_TORCH else ""


def _ordered(text: str) -> Version:
    version = version_or_none(text)
    return dated(version) if version is not None else Version("0")


def _newer(every: Sequence[Release], held: Version, line: str, name: str) -> list[Release]:
    """Return the releases of a line above the one held; pre-releases only where that is one itself."""
    return [
        one
        for one in every
        if one.version > held
        and line_of(name, one.version) == line
        and (held.is_prerelease or not one.version.is_prerelease)
    ]


def _cann(text: str) -> Version:
    return version_or_none(text.lower()) or Version("0")


def _command(name: str, release: Release, stacks: Sequence[Stack], table: Compatibility) -> str:
    """Return what to type, nothing where other components would have to move as well in every stack."""
    able = [one for one in stacks if name not in OF_CANN and moves_alone(name, release, one, table)]
    if able:
        names = ",".join(sorted({name, TOGETHER.get(name, name)} & versions_of(able[-1]).keys()))
        return f"invoke watch --apply --only {names} --stack {able[-1].name}"
    if stacks and name != "torch":
        return ""
    if name in {"torch", "torch-npu"}:
        words = own_words({"torch": release.version.base_version, "platform": "aarch64"})
        return f"invoke plan {words}"
    return ""
