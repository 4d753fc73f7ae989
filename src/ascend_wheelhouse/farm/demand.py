"""What a build asks of a worker, as labels, and which labels of those that there are it is sent to.

A recipe bounds its tools (`gcc >=12,<14`), Dask compares for equality: so the bounds are held against the workers that
there are, and the build is sent to one exact set of labels, that of the most cores. All builds with the same bounds go
to the same compiler then, and to workers that join later with the same labels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ascend_wheelhouse.build.command import Workshop, spec_of
from ascend_wheelhouse.build.toolchain import ALWAYS
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.spec import BuildSpec
from ascend_wheelhouse.cells.target import MACHINES, dotted
from ascend_wheelhouse.farm.labels import MEMORY, VERIFICATION, VERSION, Labels

_PYTHON_TOOLS = frozenset({"cmake", "ninja"})


@dataclass(frozen=True, kw_only=True)
class BuildWay:
    """One way to do a build.

    Args:
        exact: Labels and the one value that each must have.
        bounds: Tools and the versions that they may have.
        memory_mb: What it takes, in MiB.
        toolchain: The name of the toolchain of ours that it uses, or empty for the worker's own tools.
    """

    exact: Mapping[str, str] = field(default_factory=dict)
    bounds: Mapping[str, str] = field(default_factory=dict)
    memory_mb: int = 0
    toolchain: str = ""

    def problems(self, labels: Labels) -> Iterator[str]:
        """Yield what a worker lacks."""
        for name, value in self.exact.items():
            if not labels.has(name, value):
                yield f"{name} {value}"
        for name, bound in self.bounds.items():
            if not _best(labels, name, bound):
                yield f"{name} {bound or '(any)'}"
        if self.memory_mb > labels.memory_mb:
            yield f"memory {self.memory_mb} MiB"

    def chosen(self, labels: Labels) -> dict[str, str]:
        """Return the exact labels by which a worker that lacks nothing is asked."""
        return {**self.exact, **{name: _best(labels, name, bound) for name, bound in self.bounds.items()}}


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What one step is submitted with.

    Args:
        labels: Labels by name.
        memory_mb: What it takes, in MiB.
        toolchain: As in `BuildWay`.
        verification: Whether it is a verification, of which a worker does one at a time.
    """

    labels: Mapping[str, str]
    memory_mb: int = 0
    toolchain: str = ""
    verification: bool = False

    def resources(self, version: str) -> dict[str, float]:
        """Return what Dask is asked for; `version` is the tool's."""
        named = {f"{name}:{value}": 1.0 for name, value in self.labels.items()}
        memory = {MEMORY: float(self.memory_mb)} if self.memory_mb else {}
        alone = {VERIFICATION: 1.0} if self.verification else {}
        return {f"{VERSION}:{version}": 1.0, **named, **memory, **alone}

    def fits(self, labels: Labels) -> bool:
        """Tell whether a worker has it all."""
        return not self.lacking(labels)

    def lacking(self, labels: Labels) -> tuple[str, ...]:
        """Return what a worker has not."""
        named = sorted(self.labels.items())
        lacks = tuple(f"{name} {value}" for name, value in named if not labels.has(name, value))
        return (*lacks, self._memory) if self.memory_mb > labels.memory_mb else lacks

    @property
    def _memory(self) -> str:
        return f"memory {self.memory_mb} MiB"

    def __str__(self) -> str:
        named = [f"{name} {value}" for name, value in sorted(self.labels.items())]
        return ", ".join([*named, *([self._memory] if self.memory_mb else [])]) or "anything"


@dataclass(frozen=True, kw_only=True)
class Unmet:
    """A build that no worker can do: for each way to do it, what no worker has, or no single one has together."""

    component: str
    lacks: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.component} wants {' or '.join(self.lacks)}"


def demand_of(
    recipe: Recipe, cell: Cell, workshop: Workshop, workers: Mapping[str, Labels]
) -> Demand | Unmet:
    """Return what a component's build is submitted with, or what no worker has.

    Args:
        recipe: The component.
        cell: The combination that it is built for.
        workshop: Which toolchains are allowed, and the toolchains of ours.
        workers: The labels of each worker, by its address.
    """
    lacks = []
    kinds = {
        id(labels): labels for labels in workers.values()
    }  # many workers share what a few kinds of them have
    count = Counter(id(labels) for labels in workers.values())
    for way in ways(recipe, cell, workshop):
        groups: dict[tuple[tuple[str, str], ...], int] = defaultdict(int)
        for kind, labels in kinds.items():
            if not any(way.problems(labels)):
                groups[tuple(sorted(way.chosen(labels).items()))] += labels.cores * count[kind]
        if groups:
            best = max(groups, key=lambda group: (groups[group], group))
            return Demand(labels=dict(best), memory_mb=way.memory_mb, toolchain=way.toolchain)
        lacks.append(_nearest(way, workers))
    return Unmet(component=recipe.name, lacks=tuple(dict.fromkeys(lacks)))


def ways(recipe: Recipe, cell: Cell, workshop: Workshop) -> Iterator[BuildWay]:
    """Yield the ways to build a component, the best first: native tools, then toolchains of ours, native ones first."""
    spec, machine = spec_of(recipe, cell), cell.target.machine
    if spec.pure:
        yield BuildWay()
        return
    memory = spec.memory_mb
    if workshop.toolchain != "own" or workshop.container:
        exact = {"machine": machine}
        python = {} if workshop.container else {"python": dotted(cell.target.python)}
        bounds = {} if workshop.container else _bounds(spec, cell, workshop)
        yield BuildWay(exact=exact | python, bounds=bounds, memory_mb=memory)
    if workshop.container or not workshop.sandbox or workshop.toolchain == "host":
        return
    for host in sorted(MACHINES, key=lambda one: one != machine):
        own = replace(workshop.own, host=host) if workshop.own else None
        if own and (lock := own.locked(spec, cell.target)):
            exact = {"machine": host, "runs": machine}
            yield BuildWay(
                exact=exact, bounds=_cann(spec, cell, workshop), memory_mb=memory, toolchain=lock.name
            )


def _bounds(spec: BuildSpec, cell: Cell, workshop: Workshop) -> dict[str, str]:
    """Return the tools that a worker's own must be within; those that the build environment brings are not asked."""
    brought = {
        name for name in _PYTHON_TOOLS if any(need.lower().startswith(name) for need in spec.requirements)
    }
    asked = {name: spec.toolchain.get(name, "") for name in (*ALWAYS, *spec.toolchain)}
    if workshop.cann(spec, cell):
        brought.add("cann")
    return {name: bound for name, bound in asked.items() if name not in brought}


def _cann(spec: BuildSpec, cell: Cell, workshop: Workshop) -> dict[str, str]:
    """A toolchain of ours takes CANN's package alone, which travels with the build: nothing is asked of a worker."""
    missing = "cann" in spec.toolchain and not workshop.cann(spec, cell)
    return {"cann-package": spec.toolchain["cann"]} if missing else {}


def _nearest(way: BuildWay, workers: Mapping[str, Labels]) -> str:
    """Return what the worker that lacks least lacks."""
    each: list[list[str]] = [list(way.problems(labels)) for labels in workers.values()] or [["a worker"]]
    fewest = min(each, key=len)
    return " and ".join(fewest)


def _best(labels: Labels, name: str, bound: str) -> str:
    """Return the newest version of a tool that is within a bound, or empty."""
    return next((value for value in labels.named.get(name, ()) if _within(value, bound)), "")


def _within(version: str, bound: str) -> bool:
    try:
        return SpecifierSet(bound).contains(Version(version), prereleases=True)
    except ValueError:
        return False
