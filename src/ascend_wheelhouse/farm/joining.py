"""A worker's life: it joins, builds what it is given, and joins again when the scheduler was away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.base.process import stop_all
from ascend_wheelhouse.base.scratch import scratch
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.connection import is_open_to_others, quieten, reach, security_of
from ascend_wheelhouse.farm.errors import (
    DaskMissingError,
    NameTakenError,
    SchedulerUnreachableError,
    SchedulerUntrustedError,
)
from ascend_wheelhouse.farm.labels import Labels

_FIRST_SECONDS = 30
_PAUSES = (1.0, 2.0, 5.0, 10.0)
_LASTED = 30.0
_ASK_SECONDS = 5.0
_NAME_TAKEN = "name taken"
"""What Dask's scheduler answers a worker whose name another has."""
_CLOCK = SystemClock()


@dataclass(frozen=True, kw_only=True)
class Joining:
    """How a worker joins.

    Args:
        choice: The scheduler.
        labels: The worker's labels.
        name: What it is called.
        builds: How many builds run side by side.
    """

    choice: FarmChoice
    labels: Labels
    name: str
    builds: int = 1


async def join(joining: Joining, emit: Emit) -> None:
    """Build for a scheduler until this process is stopped.

    Raises:
        DaskMissingError: Dask is not installed.
        SchedulerUnreachableError: The scheduler did not answer the first time, or there is no trust.
        NameTakenError: Another worker had the name the first time.
        FarmSettingsError: The files for TLS cannot be used.
    """
    address, tries, joined = joining.choice.scheduler, 0, False
    if is_open_to_others(address):
        text = f"{address} is without TLS: whoever reaches it runs programs here; for a closed network alone"
        emit(Note(text=text, level="warning"))
    await _reach(joining.choice)
    while True:
        began = _CLOCK.monotonic()
        try:
            await _serve(joining, emit)
            joined = True
            emit(Note(text=f"the scheduler at {address} went away; joining again", level="warning"))
        except (OSError, TimeoutError) as error:
            if not joined:
                raise SchedulerUnreachableError(
                    address, " ".join(str(error).split()) or "no answer"
                ) from error
            await _tell_of_distrust(joining.choice, emit)
        except RuntimeError as error:
            taken = _taken(error, joining.name, address)
            if not joined:
                raise taken from error
            emit(Note(text=f"{taken.what} Asking again until that one has left", level="warning"))
        tries = 0 if _CLOCK.monotonic() - began > _LASTED else tries + 1
        await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])


async def _tell_of_distrust(choice: FarmChoice, emit: Emit) -> None:
    """Tell of a certificate that is refused by now: its host would be thought to build, and nobody would look there."""
    try:
        await reach(choice.scheduler, choice, _ASK_SECONDS, "worker")
    except SchedulerUntrustedError as error:
        emit(Note(text=f"{error.what} Asking again: the files are read anew each time", level="warning"))
    except WheelhouseError:
        return  # it is away


def _taken(error: RuntimeError, name: str, address: str) -> NameTakenError:
    """Return what a worker that could not start is told of its name; any other fault goes on."""
    if _NAME_TAKEN not in str(error.__cause__):
        raise error
    return NameTakenError(name, address)


async def _reach(choice: FarmChoice) -> None:
    """Wait for the scheduler once: whom it does not trust is told at once, by class."""
    try:
        import distributed  # noqa: F401 - it sets its own log levels when it is imported
    except ImportError as error:
        raise DaskMissingError(str(error.name)) from error
    quieten()
    await reach(choice.scheduler, choice, _FIRST_SECONDS, "worker")


async def _serve(joining: Joining, emit: Emit) -> None:
    """Be a worker until the scheduler is gone."""
    from distributed import Worker
    from distributed.comm.addressing import get_local_address_for

    from ascend_wheelhouse.farm.plugin import BuildPlugin

    own = get_local_address_for(joining.choice.scheduler)
    with scratch() as folder:
        worker = Worker(
            joining.choice.scheduler,
            host=own.partition("://")[2].strip("[]"),  # without it a worker listens on every network
            name=joining.name,
            nthreads=joining.builds,
            resources=joining.labels.as_resources(),
            plugins=(BuildPlugin(joining.labels),),
            security=security_of(joining.choice),
            local_directory=str(folder),
            death_timeout=_FIRST_SECONDS,
            memory_limit=0,
            dashboard=False,
            dashboard_address="127.0.0.1:0",  # without it a worker answers HTTP on the network, dashboard or not
        )
        try:
            async with worker:
                text = f"{joining.name} builds for {joining.choice.scheduler}: {joining.labels}"
                emit(Note(text=text))
                await worker.finished()
        except asyncio.CancelledError:
            stop_all()
            with suppress(OSError, TimeoutError):
                await worker.close(timeout=5)
            raise
