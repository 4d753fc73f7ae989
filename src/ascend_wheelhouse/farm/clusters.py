"""Workers that are started for one run, and end with it: on this host, over SSH, or as jobs of Slurm.

What belongs to a site (partition, account, memory of a job, names of interfaces) is read from Dask's own configuration
files, as dask-jobqueue documents them.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.farm.certificate import run_certificate, security_by
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.connection import quieten
from ascend_wheelhouse.farm.errors import (
    DaskMissingError,
    FarmSettingsError,
    JobsRefusedError,
    WorkersNotStartedError,
)
from ascend_wheelhouse.farm.far_side import PRELOAD
from ascend_wheelhouse.farm.over_ssh import SshWorkers
from ascend_wheelhouse.farm.queued import Jobs, address_for_nodes, certificates, checks, require_plain

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster
    from distributed import SpecCluster
    from distributed.security import Security

_STORE = "WHEELHOUSE_STORE"
_BUILDS = 4
_FOLDERS = ("local-directory", "log-directory")
_OF_THE_SITE = (
    "interface",
    "queue",
    "job-script-prologue",
    "scheduler-options",
    "worker-extra-args",
    *_FOLDERS,
)
# without it the scheduler would answer HTTP on every network of its host, or ask for the port 8787 of its loopback
_UNSEEN = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
_QUIET = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


def start(choice: FarmChoice, emit: Emit) -> SpecCluster | SshWorkers:
    """Start the workers that a run asks for, and a scheduler for them.

    Raises:
        DaskMissingError: Dask or dask-jobqueue is not installed.
        FarmSettingsError: Dask's configuration lacks something.
        HostsNotStartedError: No host of `ssh` can build.
        WorkersNotStartedError: The system does not let them start.
    """
    try:
        import distributed  # noqa: F401 - it sets its own log levels when it is imported

        quieten()
        if choice.workers == "ssh":
            return _ssh(choice, emit)
        return _slurm(choice) if choice.workers == "slurm" else _local(choice)
    except ImportError as error:
        raise DaskMissingError(str(error.name)) from error
    except (OSError, RuntimeError) as error:
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise WorkersNotStartedError(choice.workers or "local", said) from error


def _local(choice: FarmChoice) -> SpecCluster:
    """Its processes speak TLS, by certificates of this run alone: other users of the host reach the loopback too."""
    from distributed import LocalCluster, SpecCluster

    try:
        return LocalCluster(
            n_workers=choice.count,
            threads_per_worker=_BUILDS,
            processes=True,
            dashboard_address=None,
            scheduler_kwargs=_UNSEEN,
            preload=[PRELOAD],
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            security=True,
            env=_environment(),
        )
    except KeyboardInterrupt:
        for half in SpecCluster._instances:  # noqa: SLF001 - nobody else has it
            half.shutdown_on_close = (
                False  # it ends with this process; at its exit Dask would fail to close it
            )
        raise


def _ssh(choice: FarmChoice, emit: Emit) -> SshWorkers:
    """The scheduler runs on the first host that can have it, beside that one's worker."""
    return SshWorkers(choice.hosts, _BUILDS, _environment(), emit)


def _slurm(choice: FarmChoice) -> SpecCluster:
    if shutil.which("sbatch") is None:
        raise HostUnfitError(
            "The command 'sbatch' is not on this host.",
            why="--workers slurm submits jobs as SLURMCluster of dask-jobqueue does.",
            next_step="run it on a login node, or start workers by hand: deploy/farm/worker.sbatch",
        )
    cluster = slurm_cluster()
    try:
        _submit(cluster, choice.count)
    except BaseException:
        with suppress(Exception):  # those jobs that were taken are cancelled
            cluster.close(timeout=10)
        raise
    return cluster


def _submit(cluster: JobQueueCluster, count: int) -> None:
    """Submit the jobs; dask-jobqueue does that in the background, and tells nobody of one that Slurm refuses.

    Raises:
        JobsRefusedError: One was refused.
    """
    from distributed.core import Status

    async def through() -> None:
        with suppress(RuntimeError):
            await cluster

    cluster.scale(jobs=count)
    cluster.sync(through)
    for job in [*cluster.workers.values()]:
        if not job.job_id:
            try:
                cluster.sync(job.start)  # again, to hear why
            except RuntimeError as error:
                job.status = Status.failed  # else closing the cluster waits for it
                said = " ".join(str(error).partition("stderr:")[2].split()) or str(error)
                raise JobsRefusedError(said[:300].rstrip(".")) from error


def jobs_of(cluster: SpecCluster | SshWorkers) -> Jobs | None:
    """Return the jobs that a cluster has submitted; None where its workers are no jobs."""
    if isinstance(cluster, SshWorkers):
        return None
    numbers = [str(job.job_id) for job in cluster.workers.values() if hasattr(job, "job_id")]
    if not numbers:
        return None
    named = certificates(cluster.new_spec["options"]["security"])
    facts = {"python": _python(), "certificates": named[0], "address": cluster.scheduler_address}
    return Jobs(numbers, facts)


def _python() -> str:
    """Return the Python that jobs start."""
    import dask.config

    return str(dask.config.get("jobqueue.slurm.python", None) or sys.executable)


def slurm_cluster(settings: Mapping[str, Any] | None = None) -> JobQueueCluster:
    """Return the cluster of Slurm jobs that Dask's configuration describes; no job is submitted yet.

    It speaks TLS: by the certificates that Dask's configuration names, else by some that are made for this run alone
    and put where jobs read them (`jobqueue.slurm.shared-temp-directory`, else the home folder).

    Raises:
        FarmSettingsError: The configuration does not say how many cores or how much memory a job has.
        RuntimeError: The scheduler cannot start here.
    """
    import dask.config

    with _interrupt_kept():
        from dask_jobqueue.slurm import SLURMCluster

    given = dict(settings or {})
    own = {name: dask.config.get(f"jobqueue.slurm.{name}", None) for name in _OF_THE_SITE}
    shared = given.pop("shared_temp_directory", None) or dask.config.get(
        "jobqueue.slurm.shared-temp-directory"
    )
    shared, security = shared or str(Path.home()), _certificates()
    folders = {name: given.get(name.replace("-", "_")) or own[name] for name in _FOLDERS}
    require_plain(_in_script(folders, security, shared))
    try:
        cluster = SLURMCluster(
            **given,
            shared_temp_directory=shared,
            security=security,
            protocol="tls",  # with `tls://`, its own, a worker takes its address from the default route
            worker_extra_args=[*(own["worker-extra-args"] or ()), "--preload", PRELOAD, *_QUIET],
            scheduler_options=_reached_by(own) | (own["scheduler-options"] or {}) | _UNSEEN,
        )
    except (ValueError, TypeError) as error:
        # closing what did not start fails as well, and hides why
        if isinstance(error.__context__, RuntimeError):
            raise error.__context__ from error
        raise FarmSettingsError(
            f"Dask's configuration does not describe a job of Slurm: {error}.",
            why="`jobqueue.slurm` needs cores, memory and, by the site, queue and account.",
            next_step="write them to ~/.config/dask/jobqueue.yaml, as deploy/farm/jobqueue.yaml shows",
        ) from error
    options = cluster.new_spec["options"]
    before = given.get("job_script_prologue") or own["job-script-prologue"] or ()
    looks = checks(_python(), options["security"], cluster.scheduler_address)
    options["job_script_prologue"] = [*before, *looks]
    return cluster


def _in_script(folders: Mapping[str, Any], security: Security, shared: str) -> dict[str, str]:
    """Return the paths that the script of a job names, by what they are; texts in PEM become files in `shared`."""
    named_folders = {name: str(path) for name, path in folders.items() if path}
    named = [path for path in certificates(security) if "\n" not in path]
    known = {f"certificate {place}": path for place, path in enumerate(named, 1)}
    return named_folders | {"python": _python()} | (known or {"shared-temp-directory": shared})


def _reached_by(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the address of this host on the nodes' network, unless the site names an interface."""
    address = None if own["interface"] else address_for_nodes(own["queue"])
    return {"host": address} if address else {}


@contextmanager
def _interrupt_kept() -> Iterator[None]:
    """Keep what Ctrl-C does: dask-jobqueue takes that for itself when it is imported (0.9, `runner.py`)."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _certificates() -> Security:
    """Return those of Dask's configuration, or new ones where it has none."""
    from distributed.security import Security

    named = Security(require_encryption=True)
    return named if named.get_tls_config_for_role("worker")["cert"] else security_by(run_certificate())


def _environment() -> dict[str, str]:
    """Return what a worker must know of this host: where the store is, if the user has said so.

    A worker starts in another folder, from which a relative path would count; `~` is its own home.
    """
    named = os.environ.get(_STORE, "")
    return {_STORE: named if named.startswith("~") else str(Path(named).absolute())} if named else {}
