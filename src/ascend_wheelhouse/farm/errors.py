"""What can go wrong between this host and a farm."""

from __future__ import annotations

from collections.abc import Mapping

from ascend_wheelhouse.base.errors import BuildError, HostUnfitError, SourceUnreachableError, UsageError

_AGAIN = "the same command again: what was built is kept"


class FarmChoiceError(UsageError):
    """The options that name a farm contradict each other, or lack something."""


class FarmSettingsError(UsageError):
    """Dask's own configuration lacks what starting workers needs, or cannot be read."""


class DaskMissingError(HostUnfitError):
    """A farm was asked for, and Dask is not installed."""

    def __init__(self, module: str) -> None:
        super().__init__(
            f"A farm needs the Python package {module}, which is not installed.",
            why="Who builds on this host alone does without it.",
            next_step="pip install 'ascend-wheelhouse[farm]', or pip install -e '.[farm]' in a checkout",
        )


class SchedulerUnreachableError(SourceUnreachableError):
    """The scheduler of a farm does not answer."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"The scheduler at {address} does not answer: {reason}.",
            why="It is not running, a firewall is between, or one side speaks TLS and the other does not.",
            next_step="start it (`dask scheduler`), correct --scheduler, or leave it out to build on this host",
        )


class WorkersNotStartedError(SourceUnreachableError):
    """The workers that a run asked for did not start."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(
            f"The workers of --workers {kind} did not start: {reason}.",
            why="Dask's configuration does not fit this host, or this host lacks something for a scheduler.",
            next_step="dask config list  # what Dask was told of this host and of its queue",
        )


class HostsNotStartedError(SourceUnreachableError):
    """None of the hosts of `--workers ssh` can build.

    Args:
        reasons: By the host why not.
        python: The Python that was to be started there.
    """

    def __init__(self, reasons: Mapping[str, str], python: str) -> None:
        told = "; ".join(f"{host}: {reason}" for host, reason in reasons.items())
        super().__init__(
            f"No host of --workers ssh can build: {told}.",
            why="Each needs a way in without a question, and this version of the tool under the same path as here.",
            next_step=f"ssh {next(iter(reasons), 'HOST')} {python} -m ascend_wheelhouse.farm.far_side </dev/null",
        )


class JobsRefusedError(HostUnfitError):
    """The queue of a cluster does not take a job."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Slurm does not take a job of --workers slurm: {reason}.",
            why="`jobqueue.slurm` of Dask's configuration asks for what this cluster does not have, or not for you.",
            next_step="sinfo  # its partitions; then correct queue, account, cores, memory or walltime there",
        )


class JobsEndedError(HostUnfitError):
    """Every job that a run had submitted ended before a worker joined.

    Args:
        count: How many there were.
        said: What is known of the first.
        next_step: What helps.
    """

    def __init__(self, count: int, said: str, next_step: str) -> None:
        super().__init__(
            f"The jobs of Slurm ended before a worker joined, {count} of {count}: {said}.",
            why="A node needs this tool, the run's certificates and a way to this host, under the same names as here.",
            next_step=next_step,
        )


class NameTakenError(UsageError):
    """Another worker of a farm has the name that this one would have."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(
            f"The scheduler at {address} has a worker called {name} already.",
            why="A worker has its host's name where it is given none: two on one host need names of their own.",
            next_step=f"the same command with --name and another name, such as --name {name}-2",
        )


class SchedulerUntrustedError(SchedulerUnreachableError):
    """The scheduler is there, but one side refuses the other's certificate."""

    def __init__(self, address: str, reason: str) -> None:
        SourceUnreachableError.__init__(
            self,
            f"The scheduler at {address} and this host do not trust each other: {reason}.",
            why="One side's certificate is out of date, or of another authority than the other side was given.",
            next_step="openssl x509 -noout -issuer -enddate -in FILE  # once for each side's certificate",
        )


class SchedulerLostError(SourceUnreachableError):
    """The scheduler went away in the middle of a run, and did not come back.

    Args:
        address: The scheduler's.
        seconds: How long it was waited for.
        ours: The run itself had started it: the next one starts another.
    """

    def __init__(self, address: str, seconds: float, *, ours: bool = False) -> None:
        super().__init__(
            f"The scheduler at {address} went away and was not back within {seconds:.0f} s.",
            why="Its host was stopped, or the network to it is down."
            if ours
            else "It was stopped, or the network to it is down.",
            next_step=_AGAIN if ours else f"start it, then {_AGAIN}",
        )


class WorkerVersionError(HostUnfitError):
    """No worker of a farm has the tool, the Python and the Dask of this host."""

    def __init__(self, own: str, others: dict[str, str]) -> None:
        found = "; ".join(f"{name} has {version or 'none of this tool'}" for name, version in others.items())
        super().__init__(
            f"No worker of the farm has this host's versions of the tool, of Python and of Dask, {own}: {found}.",
            why="Another version could give other bytes, and Dask promises nothing between its own. Nothing was sent.",
            next_step="install the same version there and start the workers again: invoke worker --scheduler ADDRESS",
        )


class NoWorkersError(HostUnfitError):
    """A farm has no workers."""

    def __init__(self, address: str, seconds: float) -> None:
        super().__init__(
            f"The scheduler at {address} had no worker within {seconds:.0f} s.",
            why="None was started, they cannot reach the scheduler, or their batch job is still in its queue.",
            next_step="invoke worker --scheduler ADDRESS  # on each host that builds",
        )


class WorkersGoneError(HostUnfitError):
    """Every worker that could do a build has left."""

    def __init__(self, component: str, labels: str, seconds: float) -> None:
        super().__init__(
            f"No worker is left for {component}: none with {labels} for {seconds:.0f} s.",
            why="They were stopped, or lost the scheduler.",
            next_step=f"start one, then {_AGAIN}",
        )


class NoWorkerCouldError(HostUnfitError):
    """Every worker that fits handed a step back."""

    def __init__(self, component: str, reasons: dict[str, str]) -> None:
        told = "; ".join(f"{worker}: {reason}" for worker, reason in reasons.items())
        super().__init__(
            f"No worker could take {component}: {told}",
            why="Each that has the labels handed it back.",
            next_step=f"free space there, or start another worker, then {_AGAIN}",
        )


class OddAnswerError(BuildError):
    """A worker answers a build with what is no record of one."""

    def __init__(self, component: str, worker: str, fault: str) -> None:
        super().__init__(
            f"{worker} answers the build of {component} with what cannot be: {fault}.",
            why="A faulty disk or memory, or a program that is no worker of this tool: nothing of it was kept.",
            next_step=f"look at that host, then {_AGAIN}",
        )


class BuildLostError(BuildError):
    """A build ended with its worker, again and again."""

    def __init__(self, component: str, worker: str, reason: str) -> None:
        super().__init__(
            f"The build of {component} was lost with its worker, the last time on {worker}: {reason}.",
            why="It may need more memory than these hosts have: the kernel then kills the largest process.",
            next_step="look at that host's kernel log; raise memory_mb in the recipe, or use a larger host",
        )


class CarryError(HostUnfitError):
    """Files did not get to a worker, or a wheel not back."""

    def __init__(self, what: str, worker: str, reason: str) -> None:
        super().__init__(
            f"{what} did not pass between this host and the worker {worker}: {reason}.",
            why="The connection broke, or its disk is full.",
            next_step=_AGAIN,
        )
