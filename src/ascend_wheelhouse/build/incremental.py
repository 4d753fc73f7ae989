"""Incremental builds, for who works on a component: they go on in a kept tree, and their wheels are marked as such.

Such a wheel has a key of its own and a build tag in its name, and is offered to no shared cache: what ninja judges by
times is not the proof that a build from a fresh source is. A wheel of the clean build, where the store has it, answers
instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.events import JobStarted
from ascend_wheelhouse.build import trees
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.job import BuildJob
from ascend_wheelhouse.build.kept_tree import digest_of_tree
from ascend_wheelhouse.build.keys import build_facts, digest_of
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.toolchain import Toolchain
from ascend_wheelhouse.cells.spec import BuildSpec


class NotIncrementalError(UsageError):
    """An incremental build was asked for where there is none."""

    def __init__(self, component: str, why: str) -> None:
        super().__init__(
            f"{component} cannot be built incrementally here.",
            why=why,
            next_step="leave out --incremental; it works for compiled components in a sandbox of this host, with the "
            "host's tools or a toolchain of ours (invoke toolchain)",
        )


def refuse_unfit(component: str, spec: BuildSpec, *, sandbox: bool, container: bool, elsewhere: bool) -> None:
    """Raise NotIncrementalError where a component has no incremental build, or not there."""
    if spec.pure:
        raise NotIncrementalError(component, "Nothing of it is compiled.")
    if not sandbox:
        raise NotIncrementalError(
            component, "Without a sandbox a build that was killed may go on in the tree."
        )
    if container:
        raise NotIncrementalError(component, "A container keeps no tree between builds.")
    if elsewhere:
        raise NotIncrementalError(
            component, "A kept tree lies on one host, and a farm chooses among several."
        )


@dataclass(frozen=True, kw_only=True)
class IncrementalBuilder(Builder):
    """A builder that goes on in kept trees."""

    def build(self, job: BuildJob, toolchain: Toolchain) -> list[BuiltWheel]:
        """Return the job's wheels, those of the clean build where the store has them.

        Raises:
            BuildError: A step, the repair or a check failed; the tree and the log are kept.
            IntegrityError: A source, a patch or an environment has other bytes than the lock says.
        """
        if clean := self.known(super().key(job, toolchain)):
            self.emit(JobStarted(job=job.component, action="build"))
            return self.answered(job, clean)
        return super().build(job, toolchain)

    def key(self, job: BuildJob, toolchain: Toolchain) -> str:
        """Return the key of an incremental build, which no clean build has."""
        return digest_of({"incremental": super().key(job, toolchain)})

    def tree(self, job: BuildJob, toolchain: Toolchain) -> Path:
        """Return the kept tree that a job is built in."""
        facts = build_facts(job, self.identity(job, toolchain), sealed=self.sandbox.sealed)
        sandbox = {"sandbox": self.sandbox.identity, "ccache": self.ccache and toolchain.ccache}
        digest = digest_of_tree(facts | sandbox, self.interpreter(job.python).prefix)
        return trees.place_of(self.store, job.component, digest)

    def brought(self, key: str) -> list[BuiltWheel]:  # noqa: ARG002 - a shared cache has none of these
        """Return nothing: no shared cache has such wheels."""
        return []

    def offer(self, job: BuildJob, key: str, wheels: Sequence[BuiltWheel]) -> None:
        """Do nothing: no shared cache is given such wheels."""

    def new(self, job: BuildJob, toolchain: Toolchain, key: str) -> list[BuiltWheel]:
        """Build in the kept tree, alone there."""
        place = self.tree(job, toolchain)
        with trees.alone(self.store, place, self.emit):
            made = self.make(job, toolchain, place, ccache=self.ccache, incremental=True)
            wheels = self.kept_wheels(job, toolchain, key, made)
        self.store.put_result(f"build-{key}", {"wheels": [wheel.as_record() for wheel in wheels]})
        return wheels
