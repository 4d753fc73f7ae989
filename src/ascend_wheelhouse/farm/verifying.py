"""A verification as a step of the farm: a wheelhouse by its files' digests there, the evidence of that host back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.archives import ZipArchive
from ascend_wheelhouse.base.errors import IntegrityError, VerifyError
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.farm.demand import Demand
from ascend_wheelhouse.farm.labels import NPU
from ascend_wheelhouse.farm.step import StepAnswer
from ascend_wheelhouse.node import layout
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.node.verify.report import Report, read_report
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.verify.found import FoundWheelhouse, find
from ascend_wheelhouse.verify.own_process import REPORT, verify_apart

if TYPE_CHECKING:
    from distributed import Client

    from ascend_wheelhouse.farm.running import Running

_PREFIX = "av-step-"


class VerificationLostError(VerifyError):
    """A verification ended with its worker, again and again."""


class ReportOfOthersError(IntegrityError):
    """A report came home that is of other files than those that were sent."""


class NotAsListedError(IntegrityError):
    """A wheelhouse has other files than its manifest says."""


@dataclass(frozen=True, kw_only=True)
class VerifyOrder:
    """One verification for another host.

    Args:
        name: The wheelhouse.
        paths: Its files, `manifest.json` too: path below its folder to sha256.
        files: What must be in the worker's store: sha256 to size in bytes.
        topic: Where its events go.
    """

    name: str
    paths: Mapping[str, str]
    files: Mapping[str, int]
    topic: str


@dataclass(frozen=True, kw_only=True)
class VerifyAnswer(StepAnswer):
    """How a verification ended on a worker: the files of its report, by their names."""

    reports: Mapping[str, bytes] = field(default_factory=dict)


def demand_for(wheelhouse: FoundWheelhouse) -> Demand:
    """Return what a verification asks of a worker: the machine, and the kind of NPU where the cell has one."""
    return demand_on(wheelhouse.machine, str(wheelhouse.manifest["cell"].get("npu", "")))


def demand_on(machine: str, chip: str) -> Demand:
    """Return what the verification of a cell asks of a worker, before there is a wheelhouse; `chip` may be empty."""
    labels = {"machine": machine} | ({NPU: chip} if chip else {})
    return Demand(labels=labels, verification=True)


def verify_here(order: VerifyOrder) -> VerifyAnswer:
    """Verify what an order says, on the worker that runs this."""
    from ascend_wheelhouse.farm.running import run_here

    return run_here(order, VerifyAnswer, partial(_verified, order))


def _verified(order: VerifyOrder, running: Running, answer: VerifyAnswer) -> VerifyAnswer:
    store = running.plugin.store
    with scratch(prefix=_PREFIX) as work:
        _require_space(order, store, work)
        wheelhouse, reports = work / order.name, work / "reports"
        _lay_out(order, store, wheelhouse)
        verify_apart(wheelhouse, reports, store.root, running.emit)
        return replace(answer, reports={path.name: path.read_bytes() for path in reports.iterdir()})


def _lay_out(order: VerifyOrder, store: Store, folder: Path) -> None:
    from ascend_wheelhouse.folder.assemble import lay

    store.prove(sorted(order.files))
    for path, sha256 in order.paths.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        lay(store, sha256, folder / path)


def _require_space(order: VerifyOrder, store: Store, work: Path) -> None:
    """Hand the step back where what it installs has no space: that would be told as a fault of the wheelhouse."""
    from ascend_wheelhouse.farm.running import HandedBackError

    linked = store.root.exists() and os.stat(store.root).st_dev == os.stat(work).st_dev  # noqa: PTH116 - two of a kind
    needed = 0 if linked else sum(order.files.values())
    for path, sha256 in order.paths.items():
        if path.endswith(".whl"):
            with ZipArchive(store.path(sha256)) as wheel:
                needed += sum(member.file_size for member in wheel.infolist())
    free = shutil.disk_usage(work).free
    if needed > free:
        raise HandedBackError(
            f"{work.parent.parent} has {free >> 20} MiB free, and {order.name} installed takes {needed >> 20} MiB."
        )


@dataclass(frozen=True, kw_only=True)
class VerifyStep:
    """One verification; meets `step.FarmStep`.

    Args:
        wheelhouse: What is verified.
        order: What is sent.
        demand: What it asks of a worker.
        reports: Folder where the report goes.
    """

    wheelhouse: FoundWheelhouse
    order: VerifyOrder
    demand: Demand
    reports: Path
    past: str = "verified"

    @property
    def name(self) -> str:
        """The wheelhouse."""
        return self.order.name

    @property
    def key(self) -> str:
        """The key that it is submitted under."""
        return self.order.topic

    def function(self) -> Callable[[VerifyOrder], VerifyAnswer]:
        """Return what a worker calls with the order."""
        return verify_here

    def home(self, client: Client, answer: VerifyAnswer) -> Report:  # noqa: ARG002 - the report is in the answer
        """Write the report and return it.

        Raises:
            ReportOfOthersError: It is of other files.
        """
        self.reports.mkdir(parents=True, exist_ok=True)
        with scratch(prefix=_PREFIX) as work:
            (work / REPORT).write_bytes(answer.reports[REPORT])
            report = read_report(work / REPORT)
        if report.wheelhouse.get("digest") != self.order.paths[layout.MANIFEST]:
            raise ReportOfOthersError(
                f"The report from {answer.name} is of other files than those of {self.name}.",
                why="It names another manifest than the one that was sent.",
                next_step="look at that host: who reaches a scheduler can join it with a worker of their own",
            )
        for name, data in answer.reports.items():
            write_whole(self.reports / Path(name).name, data)
        return report

    def lost(self, worker: str) -> VerificationLostError:
        """Return the error where one worker after the other died over it."""
        return VerificationLostError(
            f"The verification of {self.name} was lost with its worker, the last time on {worker}.",
            why="The worker ended without a word: the kernel may have killed it for its memory.",
            next_step="look at that host's kernel log, then the same command again",
        )


def verify_step(folder: Path, reports: Path, store: Store) -> VerifyStep:
    """Return a verification as it is sent, the wheelhouse's files in this host's store.

    Args:
        folder: The wheelhouse.
        reports: Folder where its report goes.
        store: This host's store, from which workers are sent what they lack.

    Raises:
        NotAsListedError: A file is not what the manifest says.
    """
    wheelhouse = find(folder, folder.parent)
    listed = wheelhouse.manifest["files"]
    for file in listed:
        if not store.has(file["sha256"], file["size"]) and store.add(folder / file["path"]) != file["sha256"]:
            raise NotAsListedError(
                f"{folder / file['path']} is not the file that the manifest names.",
                why="It was changed after the wheelhouse was finished.",
                next_step=f"remove {folder}, then the same command again: it is laid out from the store",
            )
    digest = store.add(folder / layout.MANIFEST)
    paths = {str(file["path"]): str(file["sha256"]) for file in listed} | {layout.MANIFEST: digest}
    files = {sha256: store.size_of(sha256) for sha256 in sorted(set(paths.values()))}
    order = VerifyOrder(name=folder.name, paths=paths, files=files, topic=f"verify-{folder.name}-{digest}")
    return VerifyStep(wheelhouse=wheelhouse, order=order, demand=demand_for(wheelhouse), reports=reports)
