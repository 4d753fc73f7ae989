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
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.connection import quieten
from ascend_wheelhouse.farm.errors import DaskMissingError, FarmSettingsError, WorkersNotStartedError

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster
    from distributed import SpecCluster
    from distributed.security import Security

PRELOAD = "ascend_wheelhouse.farm.preload"
_BUILDS = 4


def start(choice: FarmChoice) -> SpecCluster:
    """Start the workers that a run asks for, and a scheduler for them.

    Raises:
        DaskMissingError: Dask, dask-jobqueue or asyncssh is not installed.
        FarmSettingsError: Dask's configuration lacks something.
        WorkersNotStartedError: A host of `ssh` does not answer, or Dask is not installed there.
    """
    try:
        import distributed  # noqa: F401 - it sets its own log levels when it is imported

        quieten()
        return {"local": _local, "ssh": _ssh, "slurm": _slurm}[choice.workers or "local"](choice)
    except ImportError as error:
        raise DaskMissingError(str(error.name)) from error
    except (OSError, RuntimeError) as error:
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise WorkersNotStartedError(choice.workers or "local", said, _try_first(choice)) from error


def _try_first(choice: FarmChoice) -> str:
    if choice.hosts:
        return f"ssh {choice.hosts[0]} {sys.executable} -c 'import distributed'  # must work for each host"
    return "dask config list  # what Dask was told of this host and of its queue"


def _local(choice: FarmChoice) -> SpecCluster:
    """Its processes speak TLS, by certificates of this run alone: other users of the host reach the loopback too."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=choice.count,
        threads_per_worker=_BUILDS,
        processes=True,
        dashboard_address=None,
        preload=[PRELOAD],
        memory_limit=0,
        silence_logs=logging.CRITICAL,
        security=True,
        env=_environment(),
    )


def _ssh(choice: FarmChoice) -> SpecCluster:
    """The scheduler runs on the first host, beside its worker."""
    import asyncssh  # noqa: F401 - SSHCluster would tell of it late
    from distributed import SSHCluster

    return SSHCluster(
        [choice.hosts[0], *choice.hosts],
        worker_options={"preload": [PRELOAD], "nthreads": _BUILDS, "memory_limit": 0, "env": _environment()},
        scheduler_options={"dashboard": False},
        remote_python=sys.executable,
    )


def _slurm(choice: FarmChoice) -> SpecCluster:
    if shutil.which("sbatch") is None:
        raise HostUnfitError(
            "The command 'sbatch' is not on this host.",
            why="--workers slurm submits jobs as SLURMCluster of dask-jobqueue does.",
            next_step="run it on a login node, or start workers by hand: deploy/farm/worker.sbatch",
        )
    cluster = slurm_cluster()
    cluster.scale(jobs=choice.count)
    return cluster


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
    shared = given.pop("shared_temp_directory", None) or dask.config.get(
        "jobqueue.slurm.shared-temp-directory"
    )
    try:
        return SLURMCluster(
            **given,
            shared_temp_directory=shared or str(Path.home()),
            security=_certificates(),
            worker_extra_args=["--preload", PRELOAD, "--no-dashboard"],
            scheduler_options={"dashboard": False},
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
    return named if named.get_tls_config_for_role("worker")["cert"] else Security.temporary()


def _environment() -> dict[str, str]:
    """Return what a worker must know of this host: where the store is, if the user has said so."""
    return {name: os.environ[name] for name in ("WHEELHOUSE_STORE",) if name in os.environ}
