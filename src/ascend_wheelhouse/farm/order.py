"""What is sent to a worker for one build, and what comes back: plain values, and the digests of files to carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ascend_wheelhouse.build.cann_tree import COMPONENT as TOOLKIT
from ascend_wheelhouse.build.command import Workshop, job_for
from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.build.keys import build_facts, digest_of
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.build.own_toolchains import OwnToolchains
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.request import ToolchainChoice
from ascend_wheelhouse.cells.toolchains import ToolchainRecipe
from ascend_wheelhouse.farm.demand import Demand
from ascend_wheelhouse.farm.step import StepAnswer
from ascend_wheelhouse.locks.toolchain_lock import ToolchainLock, read_toolchain, write_toolchain
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.store.git_source import GitSource
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord, put_record, vendored_record

_BUNDLE = {"bundle": documents.sha256}


@dataclass(frozen=True, kw_only=True)
class BuildOrder:
    """One build for another host.

    Args:
        recipe: The component.
        cell: The combination that it is built for.
        sources: What it starts from.
        sandbox: As in `Workshop`.
        container: As in `Workshop`.
        toolchain: Which kind of toolchain the chosen way takes.
        ccache: As in `Workshop`.
        own: The toolchains of ours that may be needed: their recipes, and the lock of the chosen one.
        files: What must be in the worker's store: sha256 to size in bytes.
        commits: The bundle of each commit.
        cann: The record of CANN's toolkit, where the build uses it.
        topic: Where its events go.
    """

    recipe: Recipe
    cell: Cell
    sources: Sources
    sandbox: bool
    container: str
    toolchain: ToolchainChoice
    ccache: bool
    own: tuple[tuple[ToolchainRecipe, ...], ToolchainLock] | None
    files: Mapping[str, int]
    commits: Mapping[str, str]
    cann: VendoredRecord | None
    topic: str

    def put_records(self, store: Store) -> None:
        """Let a worker's store know what its files are."""
        for commit, bundle in self.commits.items():
            known = store.result(f"git-{commit}", _BUNDLE)
            if known is None or not store.has(known["bundle"]):  # what it named may have been pruned
                store.put_result(f"git-{commit}", {"bundle": bundle})
        wanted = NameFacts(version=self.cell.cann, machine=self.cell.target.machine)
        if self.cann is not None and vendored_record(store, TOOLKIT, wanted) is None:
            put_record(store, self.cann)

    def workshop(self, base: Workshop, lockfiles: Path) -> Workshop:
        """Return a worker's workshop as this build wants it; the toolchain's lock goes to `lockfiles`."""
        wanted = replace(
            base,
            sandbox=self.sandbox,
            container=self.container,
            toolchain=self.toolchain,
            ccache=self.ccache,
        )
        if self.own is None:
            return wanted
        recipes, lock = self.own
        write_toolchain(lock, lockfiles)
        own = OwnToolchains(recipes=recipes, lockfiles=lockfiles, store=base.store, host=base.machine)
        return replace(wanted, own=own)


@dataclass(frozen=True, kw_only=True)
class BuildAnswer(StepAnswer):
    """How a build ended on a worker; its wheels are in the worker's store.

    Args:
        wheels: What it built.
        pending: Why it cannot be built there.
    """

    wheels: tuple[BuiltWheel, ...] = ()
    pending: PendingBuild | None = None


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """An order with the key that it is submitted under: two masters with the same order share one build."""

    order: BuildOrder
    key: str
    demand: Demand = field(default_factory=lambda: Demand(labels={}))


def dispatch_of(recipe: Recipe, cell: Cell, sources: Sources, workshop: Workshop, demand: Demand) -> Dispatch:
    """Return a build as it is sent.

    Raises:
        BlobMissingError: A source is not in the store.
        SourceUnreachableError: A toolchain's packages cannot be had.
    """
    job = job_for(recipe, cell, sources)
    how = {"demand": dict(demand.labels), "container": workshop.container, "toolchain": demand.toolchain}
    facts = build_facts(job, {}, sealed=workshop.sandbox) | {"farm": how}
    digest = digest_of(facts)
    own = _own(workshop, demand)
    cann = _toolkit(workshop, cell) if "cann" in job.spec.toolchain else None
    commits = dict(_commits(sources, workshop.store))
    digests = {*_digests(sources), *(one.sha256 for one in job.spec.downloads), *commits.values()}
    digests |= {file.sha256 for file in own[1].files} if own else set()
    digests |= {cann.sha256} if cann else set()
    order = BuildOrder(
        recipe=recipe,
        cell=cell,
        sources=sources,
        sandbox=workshop.sandbox,
        container=workshop.container,
        toolchain="own"
        if demand.toolchain
        else ("host" if workshop.toolchain == "auto" else workshop.toolchain),
        ccache=workshop.ccache,
        own=own,
        files={one: workshop.store.size_of(one) for one in sorted(digests)},
        commits=commits,
        cann=cann,
        topic=f"wheelhouse-{digest}",
    )
    return Dispatch(order=order, key=f"build-{recipe.name}-{digest}", demand=demand)


def _own(workshop: Workshop, demand: Demand) -> tuple[tuple[ToolchainRecipe, ...], ToolchainLock] | None:
    """Return the toolchain of ours that a build goes to, its packages in the store of this host."""
    if not demand.toolchain or workshop.own is None:
        return None
    lock = read_toolchain(workshop.own.lockfiles, demand.toolchain)
    if lock is None:
        return None
    workshop.own.bring(lock)
    return workshop.own.recipes, lock


def _toolkit(workshop: Workshop, cell: Cell) -> VendoredRecord | None:
    wanted = NameFacts(version=cell.cann, machine=cell.target.machine)
    record = vendored_record(workshop.store, TOOLKIT, wanted)
    return record if record and record.filename.endswith(".run") else None


def _commits(sources: Sources, store: Store) -> Iterator[tuple[str, str]]:
    """Yield each commit with its bundle, as far as the store has them; what lacks is told by the build."""
    trees = [sources.tree, *(item.source for item in sources.repositories)]
    for tree in trees:
        for module in tree.modules if isinstance(tree, GitSource) else ():
            if record := store.result(f"git-{module.commit}", _BUNDLE):
                yield module.commit, record["bundle"]


def _digests(sources: Sources) -> Iterator[str]:
    if not isinstance(sources.tree, GitSource):
        yield sources.tree.sha256
    yield from (file.sha256 for file in sources.environment)
