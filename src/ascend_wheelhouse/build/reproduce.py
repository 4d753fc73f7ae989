"""Building twice under different conditions, and saying how equal the two wheels are.

All nine conditions of `conditions.py` are varied at once; only where the wheels then differ is each varied
alone, to name the culprit. A condition that this host cannot vary is named as such, never counted as
passed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.base.artifact import Artifact, HasArtifact, as_row
from ascend_wheelhouse.base.events import JobFinished, JobStarted, Note
from ascend_wheelhouse.base.scratch import memory, scratch
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.compare import Comparison, MemberDifference, Rung, compare_wheels, diffoscope
from ascend_wheelhouse.build.conditions import NAMES, NORMAL, VARIED, Conditions, only
from ascend_wheelhouse.build.container import Container
from ascend_wheelhouse.build.job import BuildJob
from ascend_wheelhouse.build.rooted import Rooted
from ascend_wheelhouse.build.sandbox import Namespaces, Sandbox
from ascend_wheelhouse.build.toolchain import Toolchain
from ascend_wheelhouse.store.proven import file_sha256

_MEMORY_WANTED = 4 << 30


@dataclass(frozen=True, kw_only=True)
class WheelReport(HasArtifact):
    """One wheel of two builds.

    Args:
        artifact: The file that the first build gave.
        rung: How equal the finished wheels are.
        raw: How equal they are as the steps left them, before repair and normalising.
        differences: What differs in the finished wheels.
        culprits: The conditions that make it differ, each found alone.
    """

    artifact: Artifact
    rung: Rung
    raw: Rung
    differences: tuple[MemberDifference, ...] = ()
    culprits: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReproduceReport:
    """Two builds of one component; `not_varied` tells why for each condition that stayed."""

    component: str
    wheels: tuple[WheelReport, ...]
    varied: tuple[str, ...]
    not_varied: tuple[tuple[str, str], ...] = ()
    diffoscope: str = ""

    @property
    def bit_equal(self) -> bool:
        """Whether every wheel is the same bytes."""
        return all(wheel.rung == "bit-equal" for wheel in self.wheels)

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        wheels = [as_row(wheel) for wheel in self.wheels]
        more = {"wheels": wheels, "bit_equal": self.bit_equal, "not_varied": dict(self.not_varied)}
        return asdict(self) | more


def reproduce(
    job: BuildJob, toolchain: Toolchain, builder: Builder, *, find_culprits: bool = True
) -> ReproduceReport:
    """Build twice, everything varied the second time, and compare.

    Args:
        job: The build.
        toolchain: The chosen tools, the same for both.
        builder: Where and how; its compiler cache is not used.
        find_culprits: Where the wheels differ, build once more for each condition alone.

    Raises:
        BuildError: One of the builds failed.
    """
    builder.emit(JobStarted(job=job.component, action="reproduce"))
    with _folder(builder.store.root) as folder:
        trials = _Trials(job=job, toolchain=toolchain, builder=builder, folder=folder)
        held_back = dict(_not_varied(builder.sandbox, folder))
        names = tuple(name for name in NAMES if name not in held_back)
        first = trials.make("first", NORMAL)
        second = trials.make("second", _varied(VARIED, held_back))
        reports = [_report(*pair) for pair in zip(first, second, strict=True)]
        text = ""
        if find_culprits and any(report.rung == "differs" for report in reports):
            reports = trials.blame(reports, first, names)
            text = _diffoscope(first, second, builder.store.root / "reports")
    rungs = ", ".join(report.rung for report in reports)
    equal = all(report.rung == "bit-equal" for report in reports)
    builder.emit(JobFinished(job=job.component, outcome="done" if equal else "failed", detail=rungs))
    return ReproduceReport(
        component=job.component,
        wheels=tuple(reports),
        varied=names,
        not_varied=tuple(held_back.items()),
        diffoscope=text,
    )


@dataclass(frozen=True, kw_only=True)
class _Made:
    raw: Path
    finished: Path


@dataclass(frozen=True, kw_only=True)
class _Trials:
    """Builds of one job, each in a folder of its own."""

    job: BuildJob
    toolchain: Toolchain
    builder: Builder
    folder: Path

    def make(self, name: str, conditions: Conditions) -> list[_Made]:
        place = self.folder / name
        finished = self.builder.make(self.job, self.toolchain, place, conditions=conditions)
        raw = sorted((place / "raw").glob("*.whl"))
        return [_Made(raw=one, finished=path) for one, (path, _) in zip(raw, finished, strict=True)]

    def blame(
        self, reports: list[WheelReport], first: list[_Made], names: tuple[str, ...]
    ) -> list[WheelReport]:
        """Return the reports with the conditions that change each wheel when varied alone."""
        guilty: dict[str, list[str]] = {report.filename: [] for report in reports}
        for name in names:
            self.builder.emit(Note(text=f"{self.job.component}: building once more with another {name}"))
            again = self.make(f"only-{name}", only(name))
            for before, after in zip(first, again, strict=True):
                if compare_wheels(before.finished, after.finished).rung != "bit-equal":
                    guilty[before.finished.name].append(name)
            shutil.rmtree(self.folder / f"only-{name}")
        return [replace(report, culprits=tuple(guilty[report.filename])) for report in reports]


def _report(first: _Made, second: _Made) -> WheelReport:
    path = first.finished
    finished: Comparison = compare_wheels(path, second.finished)
    return WheelReport(
        artifact=Artifact(filename=path.name, size=path.stat().st_size, sha256=file_sha256(path)),
        rung=finished.rung,
        raw=compare_wheels(first.raw, second.raw).rung,
        differences=finished.differences,
    )


def _diffoscope(first: list[_Made], second: list[_Made], reports: Path) -> str:
    for before, after in zip(first, second, strict=True):
        rights.make_folder(reports.parent, reports.name)
        made = diffoscope(before.finished, after.finished, reports / f"{before.finished.stem}.txt")
        if made is not None:
            return made.name
    return ""


@contextmanager
def _folder(store: Path) -> Iterator[Path]:
    """Give a folder whose listings follow the order in which files were made, where there is one."""
    store.mkdir(parents=True, exist_ok=True)
    place = None if listing_follows_making(store) else memory(_MEMORY_WANTED)
    with scratch(place or store) as folder:
        yield folder


def listing_follows_making(folder: Path) -> bool:
    """Return whether a folder lists files in an order that depends on when they were made."""
    with scratch(folder) as place:
        names = [f"file{number}" for number in range(6)]
        listings = []
        for trial, order in (("one", names), ("two", names[::-1])):
            Path(place, trial).mkdir()
            for name in order:
                Path(place, trial, name).touch()
            listings.append([entry.name for entry in os.scandir(Path(place, trial))])
        return listings[0] != listings[1]


def _not_varied(sandbox: Sandbox, folder: Path) -> Iterator[tuple[str, str]]:
    if not listing_follows_making(folder):
        yield "order", "this file system lists files in one order, however they were made"
    if isinstance(sandbox, Namespaces):
        yield "user", "without bubblewrap the user in the sandbox is always root"
    if isinstance(sandbox, Rooted) and sandbox.emulated:
        yield "clock", "the library that moves it is one of this host, and the build's programs are emulated"
    if isinstance(sandbox, Container):
        yield "user", "a container runs as the user who starts it"
        if not sandbox.holds_cores():
            yield "cores", "this engine does not keep a container to some cores"
    if not sandbox.sealed:
        for name in ("root", "hostname", "user", "cores"):
            yield name, "an unsealed build sees the host's own"
    if shutil.which("gcc") is None:
        yield "clock", "moving a process's clock takes a small library, and there is no gcc to compile it"
    if len(os.sched_getaffinity(0)) == 1:
        yield "cores", "this host has one core"


def _varied(conditions: Conditions, held_back: dict[str, str]) -> Conditions:
    return replace(conditions, **{name: getattr(NORMAL, name) for name in held_back})
