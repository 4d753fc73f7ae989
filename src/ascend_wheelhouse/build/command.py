"""What `invoke build` and `invoke reproduce` call: one component, from its recipe to its wheel.

Toolchain and interpreter are looked at first, so that a component that cannot be built on this host is
pending within a second, with the reason and with what would supply it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.errors import HostUnfitError, UsageError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Note, silent
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.cann_tree import CannPackage, handed_over
from ascend_wheelhouse.build.container import Container
from ascend_wheelhouse.build.environment import Interpreter, InterpreterMissingError, find_interpreter
from ascend_wheelhouse.build.incremental import IncrementalBuilder, refuse_unfit
from ascend_wheelhouse.build.job import BuildJob, Sources
from ascend_wheelhouse.build.jobserver import Jobserver, host_memory_mb, share
from ascend_wheelhouse.build.lent_ccache import with_lent
from ascend_wheelhouse.build.making import make
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.build.own_toolchains import OwnToolchains
from ascend_wheelhouse.build.sandbox import Sandbox, Unsealed, find_best, find_sandbox
from ascend_wheelhouse.build.toolchain import (
    Probe,
    Toolchain,
    ToolchainUnfitError,
    find_toolchain,
    host_probe,
)
from ascend_wheelhouse.build.worker import make_beside
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe, supply_of
from ascend_wheelhouse.cells.request import ToolchainChoice
from ascend_wheelhouse.cells.spec import BuildSpec
from ascend_wheelhouse.store.store import Store

_OWN_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


class NotBuiltHereError(UsageError):
    """A recipe has no `[build]` table."""


class ForeignMachineError(ToolchainUnfitError):
    """The wheel is for another architecture than this builder's."""


class NoImageNamedError(HostUnfitError):
    """A recipe names no image for this cell, because none is known that has what its build asks for."""

    def __init__(self, spec: BuildSpec) -> None:
        wanted = ", ".join(f"{tool} {bound}" for tool, bound in spec.toolchain.items())
        super().__init__(
            "The recipe names no image for this cell.",
            why=f"None is known that has {wanted}.",
            next_step="build on a host that has it, or name an image of your own: --container IMAGE",
        )


class Elsewhere(Protocol):
    """Other hosts that build, in words that name no engine: `farm/` answers on Dask."""

    @property
    def builds(self) -> int:
        """How many builds they do side by side."""
        ...

    def unfit(self, recipe: Recipe, cell: Cell, workshop: Workshop) -> PendingBuild | None:
        """Return why none of them can build a component; None when one can."""
        ...

    def build(
        self, recipe: Recipe, cell: Cell, sources: Sources, workshop: Workshop
    ) -> list[BuiltWheel] | PendingBuild:
        """Build a component on one of them; its wheels are in the workshop's store afterwards.

        Args:
            recipe: The component.
            cell: The combination that it is built for.
            sources: What it starts from, all of it in the workshop's store.
            workshop: How, and where the wheels go.

        Raises:
            WheelhouseError: What the build raised there, or why it could not be done.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where and how components are built in one run.

    Args:
        store: Sources, environments and results.
        emit: Told of the progress.
        sandbox: Seal builds; False runs them on the host as it is, which the manifest then says.
        container: Build in an image: its name, or `recipe` for the recipe's default.
        builds: How many builds run side by side.
        server: Slots that they share, if any.
        ccache: Go through ccache where it is installed.
        machine: This builder's machine.
        toolchain: `auto` takes the host's tools where they fit, else one of ours; `host` and `own` take one kind alone.
        own: The toolchains of ours, if any.
        elsewhere: Other hosts that build in place of this one, if any.
        incremental: Go on in kept trees.
        told: Digests of images of which something was said already in this run.
    """

    store: Store
    emit: Emit = silent
    sandbox: bool = True
    container: str = ""
    builds: int = 1
    server: Jobserver | None = None
    ccache: bool = True
    machine: str = field(default_factory=lambda: os.uname().machine)
    toolchain: ToolchainChoice = "auto"
    own: OwnToolchains | None = None
    elsewhere: Elsewhere | None = None
    incremental: bool = False
    told: dict[str, object] = field(default_factory=dict, compare=False, repr=False)

    def sandbox_for(self, spec: BuildSpec) -> tuple[Sandbox, Probe]:
        """Return the sandbox for a recipe, and what probes its tools.

        Raises:
            SandboxUnavailableError: No sandbox works here.
            ContainerUnavailableError: Neither docker nor podman does, or the image is not there.
            NoImageNamedError: The recipe's image was asked for, and it names none.
        """
        if spec.pure:
            return self._sandbox_for_pure, host_probe
        if self.container:
            image = spec.container if self.container == "recipe" else self.container
            if not image:
                raise NoImageNamedError(spec)
            container = Container.of(image)
            return container, container.probe
        return (find_sandbox() if self.sandbox else Unsealed()), host_probe

    @cached_property
    def _sandbox_for_pure(self) -> Sandbox:
        """The best that this host has: what no host changes is built on every host, and held to the lock."""

        def tell(reason: str) -> None:
            if process.stopping():  # the trial was killed with all else
                return
            text = f"no sandbox works here, pure Python is built without one: {reason}"
            self.emit(Note(text=text, level="warning"))

        return find_best(tell) if self.sandbox else Unsealed()

    def tools(self, spec: BuildSpec, cell: Cell) -> tuple[Sandbox, Toolchain, Interpreter]:
        """Return sandbox, toolchain and interpreter for a recipe.

        Raises:
            ForeignMachineError, ToolchainUnfitError, InterpreterMissingError: This builder is not fit.
        """
        if spec.pure:
            return self.sandbox_for(spec)[0], Toolchain(tools=()), find_interpreter(_OWN_PYTHON)
        try:
            if self.toolchain == "own" and not self.container:
                return self._own_tools(spec, cell)
            return self._tools_here(spec, cell)
        except (ToolchainUnfitError, InterpreterMissingError) as error:
            if self.toolchain != "auto" or self.container or not self.sandbox or not self.has_own:
                raise
            return self._own_tools(spec, cell, otherwise=error)

    @property
    def has_own(self) -> bool:
        """Whether there is any toolchain of ours."""
        return self.own is not None and bool(self.own.recipes)

    def _tools_here(self, spec: BuildSpec, cell: Cell) -> tuple[Sandbox, Toolchain, Interpreter]:
        """Return the tools of this host, or of the image."""
        if cell.target.machine != self.machine:
            raise ForeignMachineError(
                f"This builder is {self.machine}, the wheel is for {cell.target.machine}.",
                why="The host's own compiler makes code for itself alone.",
                next_step=f"build on an {cell.target.machine} host, or with a toolchain of ours (invoke toolchain)",
            )
        sandbox, probe = self.sandbox_for(spec)
        python = f"{cell.target.python[0]}.{cell.target.python[1]}"
        toolchain = find_toolchain(
            spec.toolchain,
            requirements=spec.requirements,
            probe=probe,
            package=self.cann(spec, cell),
            shown="/usr/" if sandbox.sealed and not self.container else "/",
        )
        if not isinstance(sandbox, Container):
            return sandbox, toolchain, find_interpreter(python)
        if self.ccache and not toolchain.ccache and self.own:
            toolchain = with_lent(toolchain, self.own)
        return sandbox, toolchain, sandbox.interpreter(python)

    def _own_tools(
        self, spec: BuildSpec, cell: Cell, otherwise: HostUnfitError | None = None
    ) -> tuple[Sandbox, Toolchain, Interpreter]:
        """Return a toolchain of ours, or all that is missing of both kinds."""
        if self.own is None:
            raise ToolchainUnfitError(
                "There is no toolchain of ours.",
                next_step="add one to recipes/toolchains, or take the host's",
            )
        cann = self.cann(spec, cell)
        try:
            rooted = self.own.rooted(spec, cell.target, brought=frozenset({"cann"} if cann else ()))
        except ToolchainUnfitError as error:
            if otherwise is None:
                raise
            raise ToolchainUnfitError(
                f"{otherwise.what} {error.what}", why=otherwise.why, next_step=error.next_step
            ) from error
        python = f"{cell.target.python[0]}.{cell.target.python[1]}"
        toolchain = rooted.toolchain().with_cann(cann) if cann else rooted.toolchain()
        return rooted, toolchain, rooted.interpreter(python)

    def cann(self, spec: BuildSpec, cell: Cell) -> CannPackage | None:
        """Return the toolkit that was handed over for a build that needs CANN, if there is one."""
        return handed_over(self.store, cell.cann, cell.target.machine) if "cann" in spec.toolchain else None

    def builder(self, sandbox: Sandbox, interpreter: Interpreter, spec: BuildSpec) -> Builder:
        """Return a builder with this workshop's slots and memory."""
        jobs = share(
            len(os.sched_getaffinity(0)),
            builds=self.builds,
            memory_mb=host_memory_mb(),
            per_job_mb=spec.memory_mb,
        )
        kind = IncrementalBuilder if self.incremental else Builder
        # alone, it has no other's downloads beside it: a process of its own would only cost its start
        return kind(
            worker=make if self.incremental else make_beside,
            store=self.store,
            sandbox=sandbox,
            emit=self.emit,
            jobs=jobs,
            server=self.server,
            ccache=self.ccache and not spec.pure,
            uncached=lambda: self._tell_uncached(sandbox),
            interpreter=lambda _python: interpreter,
        )

    def _tell_uncached(self, sandbox: Sandbox) -> None:
        """Say once in a run that nothing of what is compiled in an image is kept."""
        if not isinstance(sandbox, Container):
            return
        mine = object()
        if self.told.setdefault(sandbox.digest, mine) is not mine:
            return
        text = f"{sandbox.image} has no ccache: a build in it that is killed compiles everything again"
        more = f"; to have one lent to it: invoke toolchain --platform {self.machine}" if self.has_own else ""
        self.emit(Note(text=text + more, level="warning"))


def spec_of(recipe: Recipe, cell: Cell) -> BuildSpec:
    """Return a recipe's build table for a cell.

    Raises:
        NotBuiltHereError: The recipe has none.
    """
    if recipe.build is None:
        raise NotBuiltHereError(
            f"The recipe {recipe.name} has no [build] table.",
            next_step=f"take its wheel from another origin, or write the table in recipes/{recipe.name}.toml",
        )
    return recipe.build.resolve(cell, cell.components[recipe.name])


def job_for(recipe: Recipe, cell: Cell, sources: Sources) -> BuildJob:
    """Return the build of a component with its locked sources."""
    spec = spec_of(recipe, cell)
    python = f"{cell.target.python[0]}.{cell.target.python[1]}"
    return BuildJob(
        component=recipe.name,
        version=cell.components[recipe.name],
        machine="any" if spec.pure else cell.target.machine,
        python=_OWN_PYTHON if spec.pure else python,
        spec=spec,
        sources=sources,
        host_libraries=tuple(recipe.host_libraries),
    )


@contextmanager
def pending_on_unfit(recipe: Recipe, cell: Cell, emit: Emit) -> Iterator[list[PendingBuild]]:
    """Turn a builder that is not fit into a pending component, put into the list that is given."""
    pending: list[PendingBuild] = []
    try:
        yield pending
    except (ToolchainUnfitError, InterpreterMissingError) as error:
        emit(JobStarted(job=recipe.name, action="build"))
        emit(JobFinished(job=recipe.name, outcome="pending", detail=error.what))
        supply = supply_of(recipe, cell, error.next_step)
        pending.append(PendingBuild(component=recipe.name, reason=error.what, supply=supply))


def _refuse_unfit(recipe: Recipe, cell: Cell, workshop: Workshop) -> None:
    if workshop.incremental:
        refuse_unfit(
            recipe.name,
            spec_of(recipe, cell),
            sandbox=workshop.sandbox,
            container=bool(workshop.container),
            elsewhere=workshop.elsewhere is not None,
        )


def unfit(recipe: Recipe, cell: Cell, workshop: Workshop) -> PendingBuild | None:
    """Return why a component cannot be built, in about a second; None when it can."""
    _refuse_unfit(recipe, cell, workshop)
    if workshop.elsewhere is not None:
        return workshop.elsewhere.unfit(recipe, cell, workshop)
    with pending_on_unfit(recipe, cell, workshop.emit) as pending:
        workshop.tools(spec_of(recipe, cell), cell)
    return pending[0] if pending else None


def build_component(
    recipe: Recipe, cell: Cell, sources: Sources, workshop: Workshop
) -> list[BuiltWheel] | PendingBuild:
    """Build one component from its locked sources, or say why it cannot be built here.

    Args:
        recipe: The component.
        cell: The combination that it is built for.
        sources: What it starts from, from the lock; see `SourceLocker`.
        workshop: Where and how.

    Raises:
        BuildError: The build failed.
        IntegrityError: A source has other bytes than the lock says.
        SandboxUnavailableError: No sandbox works here and `--no-sandbox` was not given.
    """
    _refuse_unfit(recipe, cell, workshop)
    if workshop.elsewhere is not None:
        return workshop.elsewhere.build(recipe, cell, sources, workshop)
    job = job_for(recipe, cell, sources)
    with pending_on_unfit(recipe, cell, workshop.emit) as pending:
        sandbox, toolchain, interpreter = workshop.tools(job.spec, cell)
        return workshop.builder(sandbox, interpreter, job.spec).build(job, toolchain)
    return pending[0]
